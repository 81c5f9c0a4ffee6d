"""optuna-dashboard behind a password, a check of the Host header and, unless writable, a refusal of all changes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from wsgiref.simple_server import WSGIServer

from search.connection import open_storage
from search.dashboard import Application, DashboardGuard, make_server
from search.errors import SearchError, UsageError
from search.settings import Settings

LOOPBACK = ("127.0.0.1", "localhost", "::1")
PASSWORD_VARIABLE = "SEARCH_DASHBOARD_PASSWORD"


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """A dashboard that listens."""

    url: str
    server: WSGIServer

    def serve_forever(self) -> None:
        """Answer requests until an exception ends it."""
        self.server.serve_forever()


@contextmanager
def open_dashboard(
    settings: Settings, host: str, port: int, password_file: Path | None, *, writable: bool
) -> Iterator[Dashboard]:
    """Yield a dashboard that listens, read-only unless `writable`.

    Raises:
        UsageError: the address is not a loopback one and no password is given, or the password file has none.
        SearchError: the port is taken.
    """
    password = _read_password(password_file)
    if host not in LOOPBACK and password is None:
        raise UsageError(
            f"listening on {host} lets other machines in and needs a password; "
            f"give --password-file FILE or {PASSWORD_VARIABLE}, or stay on 127.0.0.1"
        )
    with open_storage(settings) as database:
        from optuna_dashboard import wsgi

        guard = DashboardGuard(
            wsgi(database.optuna), password=password, writable=writable, any_host=host not in LOOPBACK
        )
        with _listen(host, port, guard) as server:
            shown = f"[{host}]" if ":" in host else host
            yield Dashboard(url=f"http://{shown}:{server.server_port}/", server=server)


def _listen(host: str, port: int, application: Application) -> WSGIServer:
    try:
        return make_server(host, port, application)
    except OSError as error:
        raise SearchError(f"cannot listen on {host}:{port} ({error.strerror}); choose another with --port") from None


def _read_password(file: Path | None) -> str | None:
    if file is None:
        return os.environ.get(PASSWORD_VARIABLE) or None
    try:
        password = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise UsageError(f"the password file {file} cannot be read ({error.strerror}); name one that can") from None
    except UnicodeDecodeError:
        raise UsageError(f"the password file {file} is not UTF-8 text; write a password into it") from None
    if not password:
        raise UsageError(f"the password file {file} is empty; write a password into it")
    return password
