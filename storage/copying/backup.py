"""Back up a database to one file, and restore it, with Postgres's own pg_dump and pg_restore."""

import os
import re
import shutil
import subprocess
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg2
import psycopg2.extensions
from sqlalchemy import URL

from storage.connecting import failures, read_only
from storage.connecting.libpq import connect_args, is_embedded
from storage.connecting.parameters import find_parameters, is_local
from storage.connecting.protection import check_encrypted, protect
from storage.copying.backup_contents import choose_entries
from storage.embedded import binaries
from storage.errors import EmbeddedServerError, ReadOnlyStorage, StorageError
from storage.files import PRIVATE, replace_file
from storage.url import mask_password, parse

MAGIC = b"PGDMP"
# The client programs' first version that knows the option require_auth.
KNOWS_REQUIRE_AUTH = 16
VERIFYING = ("require", "verify-ca", "verify-full")
# What is in the database, and why nothing can be added to it.
STATE = f"""
    SELECT count(*), {read_only.CAUSE}, session_user, current_database()
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND nspname !~ '^pg_' AND nspname <> 'information_schema'
"""


@dataclass(frozen=True, kw_only=True)
class Target:
    """A database that was connected to: how many tables it has, and whether the connection was encrypted."""

    url: URL
    tables: int
    read_only: str | None
    """Why it takes no writes, in a sentence; None if it does."""
    encrypted: bool


def backup(url: str, path: Path) -> None:
    """Write the database to a file in pg_dump's custom format, which replaces an older file when it is complete.

    Raises:
        BadURL: the URL is not a Postgres URL.
        Unreachable: the server cannot be reached, or refuses the user.
        StorageError: pg_dump is missing or fails, or the file cannot be written.
    """
    target = _look_at(parse(url))
    try:
        with replace_file(path, mode=PRIVATE) as partial:
            # Without large objects: ours has none, and every role may make some, which no restoring would take.
            _run("pg_dump", target, ["--format=custom", "-B", f"--file={partial}"])
    except OSError as error:
        raise StorageError(
            f"the backup cannot be written to {path} ({error.strerror}); name a file in a folder that exists, can be "
            "written and has room"
        ) from error


def is_backup(path: Path) -> bool:
    """Return whether a file that can be read begins as a backup does."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def restore(url: str, path: Path) -> None:
    """Restore Optuna's tables and ours from a backup into an empty database, completely or not at all.

    Raises:
        BadURL: the URL is not a Postgres URL.
        Unreachable: the server cannot be reached, refuses the user, or takes no writes.
        StorageError: the database is not empty, the file is no backup of a storage, or pg_restore is missing or fails.
    """
    _check_file(path)
    target = _look_at(parse(url))
    if target.read_only is not None:
        raise ReadOnlyStorage(target.read_only)
    if target.tables:
        embedded = is_embedded(target.url)
        where = "the embedded one" if embedded else mask_password(target.url)
        remedy = "set SEARCH_HOME to a new folder" if embedded else "create a new database and name that one"
        raise StorageError(
            f"a backup is restored into an empty database only, but {where} has {target.tables} tables or sequences; "
            f"{remedy}"
        )
    listing = _run("pg_restore", target, ["--list", str(path.absolute())], connect=False)
    with TemporaryDirectory() as folder:
        chosen = Path(folder, "list")
        chosen.write_text("\n".join(choose_entries(listing, path)), encoding="utf-8")
        # In one transaction, and owned by the user who restores: the roles of the old server may not exist here.
        options = ["--single-transaction", "--no-owner", "--no-privileges", f"--use-list={chosen}"]
        _run("pg_restore", target, [*options, str(path.absolute())])


def _check_file(path: Path) -> None:
    try:
        known = is_backup(path)
    except OSError as error:
        raise StorageError(
            f"the backup {path} cannot be read ({error.strerror}); name a file that `search storage backup` wrote"
        ) from error
    if not known:
        raise StorageError(
            f"{path} is not a backup in pg_dump's custom format; name a file that `search storage backup` wrote"
        )


def _look_at(url: URL) -> Target:
    try:
        with closing(psycopg2.connect(**connect_args(protect(url)))) as connection, connection.cursor() as cursor:
            check_encrypted(connection, url)
            cursor.execute(STATE)
            count, cause, user, database = cursor.fetchone()
            why = None if cause is None else read_only.describe(cause, user, database)
            return Target(url=url, tables=int(count), read_only=why, encrypted=connection.info.ssl_in_use)
    except psycopg2.OperationalError as error:
        raise failures.explain(error, url) from error


def _run(name: str, target: Target, options: list[str], *, connect: bool = True) -> str:
    """Run a client program with the password in its environment, never on its command line; return its output."""
    program = _program(name, target)
    arguments = _connect_like(target, program)
    password = str(arguments.pop("password", ""))
    if "sslpassword" in arguments:
        raise StorageError(f"{name} cannot be given an sslpassword; use a client key without a passphrase")
    dsn = psycopg2.extensions.make_dsn(**{key: str(value) for key, value in arguments.items()})
    database = ["--no-password", f"--dbname={dsn}"] if connect else []
    finished = subprocess.run(
        [program, *database, *options],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        env=_environment(target.url) | ({"PGPASSWORD": password} if password else {}),
    )
    if finished.returncode != 0:
        raise StorageError(
            f"{name} failed on {mask_password(target.url)}, and nothing was changed: {_reason(finished.stderr)}"
        )
    return finished.stdout


def _environment(url: URL) -> dict[str, str]:
    """Return the environment of a client program; libpq's variables are meant for other servers than the embedded."""
    return {name: value for name, value in os.environ.items() if not (is_embedded(url) and name.startswith("PG"))}


def _connect_like(target: Target, program: str) -> dict[str, str | int]:
    """Return how a client program connects: with TLS if our own connection had it, and never with less."""
    arguments = connect_args(protect(target.url))
    if "require_auth" in arguments and _read_major(program) < KNOWS_REQUIRE_AUTH:
        del arguments["require_auth"]  # our own connection, just now, has insisted on it
    if target.encrypted and not _may_do_without_tls(target) and _find_mode(target) not in VERIFYING:
        arguments["sslmode"] = "require"
    return arguments


def _may_do_without_tls(target: Target) -> bool:
    """Return whether the user does without TLS, or the connection stays on this machine and nobody asked for TLS."""
    mode = _find_mode(target)
    return mode == "disable" or (is_local(find_parameters(target.url)) and mode not in VERIFYING)


def _find_mode(target: Target) -> str:
    return find_parameters(target.url).get("sslmode", "prefer")


def _read_major(program: str) -> int:
    """Return the major version of a client program, which ends what it says about itself; 0 if it does not say."""
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"\) (\d+)", said)
    return int(found.group(1)) if found else 0


def _program(name: str, target: Target) -> str:
    """Return the client program: the bundled one on this machine, the system's where TLS is needed or wished for.

    The bundled programs are built without TLS: over a network they would send the data unencrypted.
    """
    free = _may_do_without_tls(target)
    if not free and (found := shutil.which(name)):
        return found
    if free or not target.encrypted:
        try:
            return str(binaries.locate() / "bin" / name)
        except EmbeddedServerError:
            if found := shutil.which(name):
                return found
    raise StorageError(
        f"there is no {name} here that supports TLS, which the connection to {mask_password(target.url)} has; install "
        "Postgres's client programs (postgresql-client)"
    )


def _reason(output: str) -> str:
    """Return the first error that a program reports, without the program's name."""
    lines = output.strip().splitlines() or ["no reason given"]
    errors = [line for line in lines if re.search(r"error:|FATAL:", line)]
    return re.sub(r"^.*?(error|FATAL): +", "", (errors or lines)[0])
