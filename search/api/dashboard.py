"""`dashboard`: optuna-dashboard behind a password, a Host check and, unless asked otherwise, read-only."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from wsgiref.simple_server import WSGIServer

from search.connection import open_storage
from search.dashboard import Application, DashboardGuard, make_server
from search.display.output import note, say
from search.errors import SearchError, UsageError
from search.settings import Settings

LOOPBACK = ("127.0.0.1", "localhost", "::1")
PASSWORD_VARIABLE = "SEARCH_DASHBOARD_PASSWORD"


def serve(settings: Settings, host: str, port: int, password_file: Path | None, *, writable: bool) -> None:
    """Serve until a signal comes.

    Raises:
        UsageError: another address than loopback without a password, or a password file without one.
        SearchError: the port is taken.
        Interrupted: a signal came; nothing is served any more.
    """
    password = _password(password_file)
    if host not in LOOPBACK and password is None:
        raise UsageError(
            f"listening on {host} lets others in and wants a password; "
            f"give --password-file FILE or {PASSWORD_VARIABLE}, or stay on 127.0.0.1"
        )
    with open_storage(settings) as database:
        from optuna_dashboard import wsgi

        gate = DashboardGuard(
            wsgi(database.optuna), password=password, writable=writable, any_host=host not in LOOPBACK
        )
        with _listening(host, port, gate) as server:
            shown = f"[{host}]" if ":" in host else host
            note("end it with Ctrl-C")
            say(f"dashboard on http://{shown}:{server.server_port}/ ({'writable' if writable else 'read-only'})")
            sys.stdout.flush()
            server.serve_forever()


def _listening(host: str, port: int, application: Application) -> WSGIServer:
    try:
        return make_server(host, port, application)
    except OSError as error:
        raise SearchError(f"cannot listen on {host}:{port} ({error.strerror}); choose another with --port") from None


def _password(file: Path | None) -> str | None:
    if file is None:
        return os.environ.get(PASSWORD_VARIABLE) or None
    try:
        password = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise UsageError(f"the password file {file} cannot be read ({error.strerror}); name one that can") from None
    except UnicodeDecodeError:
        raise UsageError(f"the password file {file} is no text in UTF-8; write a password into it") from None
    if not password:
        raise UsageError(f"the password file {file} is empty; write a password into it")
    return password
