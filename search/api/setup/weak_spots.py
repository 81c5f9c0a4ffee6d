"""What `search doctor` tells about a set-up that works, and that somebody could misuse."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from search.errors import SearchError
from search.settings import Settings
from search.workers.machine import hidden_files
from storage import url
from storage.connecting.parameters import find_parameters, find_service_file, is_local
from storage.database import Database

OTHERS = stat.S_IRWXG | stat.S_IRWXO


class WeakSpot(SearchError):
    """Something works, and could be misused; the message says how, and what to do."""


def _check_user(_: Settings) -> str:
    if os.geteuid() == 0:
        raise WeakSpot(
            "commands run as root, so an objective's code may do anything on this machine; run them as an ordinary user"
        )
    return f"user id {os.geteuid()}"


def _check_secrets(settings: Settings) -> str:
    files = [file for file in _list_secrets(settings) if file.is_file()]
    if opened := [str(file) for file in files if file.stat().st_mode & OTHERS]:
        raise WeakSpot(f"other users may read passwords in {', '.join(opened)}; run `chmod 600 {' '.join(opened)}`")
    return ", ".join(map(str, files)) or "no file with a password"


def _list_secrets(settings: Settings) -> list[Path]:
    """Return the files that hold passwords, whether or not they exist."""
    own = Path(os.environ.get("HOME", "/"))
    found = [
        Path(os.environ.get("PGPASSFILE") or own / ".pgpass"),
        settings.home / "postgres" / "pgpass",
        *(file for file in (find_service_file(), *(each.path for each in settings.files)) if _has_password(file)),
    ]
    return list(dict.fromkeys(found))


def _has_password(file: Path) -> bool:
    """Return whether a line of a file sets a password, or a URL with one."""
    if not file.is_file() or not os.access(file, os.R_OK):
        return False
    settings = (line.partition("=") for line in file.read_text(errors="replace").splitlines())
    return any(
        name.strip() == "password" or (name.strip() == "storage" and url.has_password(value.strip(" \"'")))
        for name, _, value in settings
    )


def _check_test_files(settings: Settings) -> str:
    """Look whether workers can hide test files, and else for folders that they could open; nothing in one is listed."""
    obstacle = hidden_files.find_obstacle(settings)
    if obstacle is None:
        return "out of reach of trials and of the programs that they start"
    folders = sorted(settings.data.glob("*/test")) if settings.data.is_dir() else []
    if within := [str(folder) for folder in folders if folder.is_dir() and os.access(folder, os.R_OK | os.X_OK)]:
        raise WeakSpot(
            f"every program that an objective starts can read {', '.join(within)}, because they cannot be hidden from "
            f"trials here ({obstacle}); workers refuse to open test files themselves, but to keep them from all code, "
            "move the folders away until `search final`"
        )
    return f"no test folder in {settings.data} that this user can read; it could not be hidden here ({obstacle})"


def _check_role(database: Database) -> str:
    with database.engine.connect() as connection:
        query = "SELECT rolname, rolsuper FROM pg_roles WHERE rolname = current_user"
        name, is_superuser = connection.exec_driver_sql(query).one()
    if is_superuser:
        raise WeakSpot(
            f"the role {name!r} is a superuser, so an objective's code could read the server's files and change stored "
            "scores; use an ordinary role that owns the database (CREATE ROLE, ALTER DATABASE ... OWNER TO)"
        )
    return f"role {name!r}, not a superuser"


def _check_pooler(database: Database) -> str:
    """Tell whether a pooler stands before the server: it makes up the process that it names at the start."""
    with database.engine.connect() as connection:
        process = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        told = getattr(connection.connection.dbapi_connection, "info").backend_pid  # noqa: B009 - psycopg2's own
    return "a direct connection" if told == process else "a pooler, such as PgBouncer, stands before the server"


def _check_encryption(database: Database) -> str:
    given = find_parameters(database.url)
    if is_local(given):
        return "the server is on this machine"
    with database.engine.connect() as connection:
        encrypted = getattr(connection.connection.dbapi_connection, "info").ssl_in_use  # noqa: B009 - psycopg2's own
    mode = given.get("sslmode", "prefer")
    if not encrypted:
        raise WeakSpot(
            "what goes to the server can be read on the way, for there is no TLS; have the server offer it, and add "
            "?sslmode=verify-full to the URL"
        )
    if mode != "verify-full":
        raise WeakSpot(
            f"with sslmode={mode} another server could pose as this one; add ?sslmode=verify-full to the URL, and "
            "sslrootcert where the authority is not a public one"
        )
    return "TLS, and the server's certificate is verified"


SETUP: Mapping[str, Callable[[Settings], str]] = {
    "user": _check_user,
    "secrets": _check_secrets,
    "test files": _check_test_files,
}
"""Checks that need no storage."""

STORAGE: Mapping[str, Callable[[Database], str]] = {
    "role": _check_role,
    "pooler": _check_pooler,
    "encryption": _check_encryption,
}
"""Checks of an open storage."""
