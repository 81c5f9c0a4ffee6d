"""optuna-dashboard behind a guard: a token or password, notes as the only thing that may change, limits."""

from __future__ import annotations

import logging
import os
import shlex
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, text

from search.connection import open_for_reading, open_storage
from search.dashboard.access import Password, Secret, Token
from search.dashboard.content.application import add_content
from search.dashboard.guard import DashboardGuard
from search.dashboard.routes import Routes
from search.dashboard.server import DashboardServer
from search.dashboard.wsgi import Application
from search.errors import SearchError, UsageError
from search.settings import Settings

LOOPBACK = ("127.0.0.1", "localhost", "::1")
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


@contextmanager
def open_dashboard(settings: Settings, access: Access, announce: Callable[[str], None]) -> Iterator[Dashboard]:
    """Yield a dashboard that listens.

    announce: called with each further URL, when the one before has been used.

    Raises:
        UsageError: the address is not a loopback one and no password is given, or the password file has none or may
            be read by others.
        SearchError: the port is taken.
        ReadOnlyStorage: notes may be changed, but the storage takes no writes.
    """
    password = _read_password(access.password_file)
    is_local = access.host in LOOPBACK
    if not is_local and password is None:
        raise UsageError(
            f"listening on {access.host} lets other machines in and needs a password; "
            f"give --password-file FILE or {PASSWORD_VARIABLE}, or stay on 127.0.0.1"
        )
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
        logging.getLogger("optuna_dashboard._bottle_util").addFilter(_keep_first_line)
        routes = Routes(catalogue=_Stored(database.engine), writable=access.writable)
        guard = DashboardGuard(add_content(database), routes, secret=secret, any_host=not is_local)
        with _listen(access.host, access.port, guard) as server:
            shown = f"[{access.host}]" if ":" in access.host else access.host
            urls.append(f"http://{shown}:{server.server_port}/")
            query = f"?token={secret.text}" if isinstance(secret, Token) else ""
            yield Dashboard(url=urls[0] + query, is_open=secret is None, server=server)


class _Stored:
    """What the storage has, for the guard."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def has_study(self, study_id: int) -> bool:
        return self._finds("SELECT 1 FROM studies WHERE study_id = :study", study=study_id)

    def has_trial(self, study_id: int, trial_id: int) -> bool:
        query = "SELECT 1 FROM trials WHERE study_id = :study AND trial_id = :trial"
        return self._finds(query, study=study_id, trial=trial_id)

    def _finds(self, query: str, **ids: int) -> bool:
        if any(value >= 2**31 for value in ids.values()):  # beyond the column's range
            return False
        with self._engine.begin() as connection:
            return connection.scalar(text(query), ids) is not None


def _keep_first_line(record: logging.LogRecord) -> bool:
    """Drop the traceback that optuna-dashboard puts into the message."""
    record.msg, record.args = record.getMessage().partition("\n")[0], None
    return True


def _listen(host: str, port: int, application: Application) -> DashboardServer:
    try:
        return DashboardServer(host, port, application)
    except OSError as error:
        raise SearchError(f"cannot listen on {host}:{port} ({error.strerror}); choose another with --port") from None


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
