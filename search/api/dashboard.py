"""optuna-dashboard behind a guard: a token or password, notes as the only thing that may change, limits."""

from __future__ import annotations

import logging
import os
import shlex
import ssl
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from search.connection import open_for_reading, open_storage
from search.dashboard.access import Password, Secret, Token
from search.dashboard.content.application import add_content
from search.dashboard.guard import DashboardGuard
from search.dashboard.routes import Routes
from search.dashboard.server import DashboardServer
from search.dashboard.stored import Stored
from search.dashboard.tls import Termination, load_context
from search.dashboard.wsgi import Application
from search.errors import SearchError, UsageError
from search.settings import Settings
from storage.database import Database

LOOPBACK = ("127.0.0.1", "localhost", "::1")
LOCAL_NAMES = ("127.0.0.1", "localhost", "[::1]")
PASSWORD_VARIABLE = "SEARCH_DASHBOARD_PASSWORD"
SECRETS_FOLDER = Path("/run/secrets")
"""Where containers get files with secrets: others who may read these are in the same container."""


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """A dashboard that listens."""

    url: str
    """What a browser opens; with a token, it works once."""
    is_open: bool
    """Whether it asks for neither a token nor a password."""
    server: DashboardServer

    def serve_forever(self) -> None:
        """Answer requests until an exception ends it."""
        self.server.serve_forever()


@dataclass(frozen=True, kw_only=True)
class Access:
    """Where a dashboard listens and whom it lets in."""

    host: str
    port: int
    """0 for a free one."""
    password_file: Path | None
    token: bool
    """Whether to ask for a token if there is no password."""
    writable: bool
    """Whether notes may be changed."""
    tls_cert: Path | None = None
    """Serve https with this certificate; `tls_key` None looks for the key in the same file."""
    tls_key: Path | None = None
    trusted_proxy: str | None = None
    """The address of a proxy whose X-Forwarded-For and X-Forwarded-Proto are believed."""
    further_hosts: tuple[str, ...] = ()
    """Names under which it answers, beside those of this machine; off loopback, none means every name."""

    @property
    def names(self) -> frozenset[str] | None:
        """The names in a Host header that are answered; None for all."""
        if self.host not in LOOPBACK and not self.further_hosts:
            return None
        return frozenset((*LOCAL_NAMES, *(name.lower() for name in self.further_hosts)))


@contextmanager
def open_dashboard(settings: Settings, access: Access, announce: Callable[[str], None]) -> Iterator[Dashboard]:
    """Yield a dashboard that listens.

    announce: called with each further URL, when the one before has been used.

    Raises:
        UsageError: the address is not a loopback one and no password is given, the password file has none or may
            be read by others, or the certificate and key cannot be used. Nothing has been opened then.
        SearchError: the port is taken.
        ReadOnlyStorage: notes may be changed, but the storage takes no writes.
    """
    password = _read_password(access.password_file)
    if access.host not in LOOPBACK and password is None:
        raise UsageError(
            f"listening on {access.host} lets other machines in and needs a password; "
            f"give --password-file FILE or {PASSWORD_VARIABLE}, or stay on 127.0.0.1"
        )
    context = _load_context(access)
    urls: list[str] = []

    def announce_token(token: str) -> None:
        with suppress(OSError):  # nobody reads the output any more
            announce(f"{urls[0]}?token={token}")

    secret: Secret | None = Token(announce_token) if access.token else None
    if password is not None:
        secret = Password(password)
    open_database = open_storage if access.writable else open_for_reading
    with open_database(settings) as database:
        if access.writable:
            database.check_writable()
        with _listen(access, _make_guard(database, access, secret), context) as server:
            shown = f"[{access.host}]" if ":" in access.host else access.host
            urls.append(f"{'http' if context is None else 'https'}://{shown}:{server.server_port}/")
            query = f"?token={secret.text}" if isinstance(secret, Token) else ""
            yield Dashboard(url=urls[0] + query, is_open=secret is None, server=server)


def _load_context(access: Access) -> ssl.SSLContext | None:
    if access.tls_cert is not None:
        return load_context(access.tls_cert, access.tls_key)
    if access.tls_key is not None:
        raise UsageError("--tls-key is the key of a certificate; give it with --tls-cert FILE")
    return None


def _make_guard(database: Database, access: Access, secret: Secret | None) -> DashboardGuard:
    """Return optuna-dashboard, with the content of this program, behind the guard."""
    logging.getLogger("optuna_dashboard._bottle_util").addFilter(_keep_first_line)
    stored = Stored(database.engine)
    return DashboardGuard(
        add_content(database),
        Routes(catalogue=stored, writable=access.writable),
        probed=stored,
        secret=secret,
        hosts=access.names,
    )


def _keep_first_line(record: logging.LogRecord) -> bool:
    """Drop the traceback that optuna-dashboard puts into the message."""
    record.msg, record.args = record.getMessage().partition("\n")[0], None
    return True


def _listen(access: Access, application: Application, context: ssl.SSLContext | None) -> DashboardServer:
    tls = None if context is None else Termination(context)
    try:
        return DashboardServer(access.host, access.port, application, tls=tls, trusted_proxy=access.trusted_proxy)
    except OSError as error:
        if tls is not None:
            tls.close()
        place = f"{access.host}:{access.port}"
        raise SearchError(f"cannot listen on {place} ({error.strerror}); choose another with --port") from None


def _read_password(file: Path | None) -> str | None:
    if file is None:
        password = os.environ.get(PASSWORD_VARIABLE) or None
        if password is not None and not password.strip():
            raise UsageError(f"{PASSWORD_VARIABLE} has spaces only, which is no password; put one into it or unset it")
        return password
    try:
        with file.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            content = opened.read()
    except OSError as error:
        raise UsageError(f"the password file {file} cannot be read ({error.strerror}); name one that can") from None
    if stat.S_ISREG(mode) and mode & stat.S_IROTH and SECRETS_FOLDER not in file.resolve().parents:
        raise UsageError(
            f"every user of this machine may read the password file {file}; run: chmod 600 {shlex.quote(str(file))}"
        )
    try:
        password = content.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise UsageError(f"the password file {file} is not UTF-8 text; write a password into it") from None
    if not password:
        raise UsageError(f"the password file {file} is empty; write a password into it")
    return password
