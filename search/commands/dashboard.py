"""`dashboard`: optuna-dashboard behind a password, a Host check and, unless asked otherwise, read-only."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from search.access import open_storage
from search.commands.output import note, say
from search.errors import Interrupted, SearchError, UsageError
from search.settings import Settings
from search.supervisor import signals_raise

LOOPBACK = ("127.0.0.1", "localhost", "::1")
PASSWORD_VARIABLE = "SEARCH_DASHBOARD_PASSWORD"


def serve(settings: Settings, host: str, port: int, password_file: Path | None, *, writable: bool) -> None:
    """Serve until interrupted.

    Raises:
        UsageError: another address than loopback without a password.
        SearchError: the port is taken.
    """
    password = _password(password_file)
    if host not in LOOPBACK and password is None:
        raise UsageError(
            f"listening on {host} lets others in and wants a password; "
            f"give --password-file FILE or {PASSWORD_VARIABLE}, or stay on 127.0.0.1"
        )
    from optuna_dashboard import wsgi

    from search.gate import Gate, make_server

    with open_storage(settings) as database:
        gate = Gate(wsgi(database.optuna), password=password, writable=writable, any_host=host not in LOOPBACK)
        try:
            server = make_server(host, port, gate)
        except OSError as error:
            raise SearchError(
                f"cannot listen on {host}:{port} ({error.strerror}); choose another with --port"
            ) from None
        shown = f"[{host}]" if ":" in host else host
        say(f"dashboard on http://{shown}:{server.server_port}/ ({'writable' if writable else 'read-only'})")
        note("end it with Ctrl-C")
        sys.stdout.flush()
        with signals_raise(), server:
            try:
                server.serve_forever()
            except Interrupted:
                note("dashboard ended")


def _password(file: Path | None) -> str | None:
    if file is None:
        return os.environ.get(PASSWORD_VARIABLE) or None
    try:
        password = file.read_text().strip()
    except OSError as error:
        raise UsageError(f"the password file {file} cannot be read ({error.strerror})") from None
    if not password:
        raise UsageError(f"the password file {file} is empty; write a password into it")
    return password
