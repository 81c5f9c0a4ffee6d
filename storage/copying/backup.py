"""Back up a database to one file, and restore it, with Postgres's own pg_dump and pg_restore."""

import os
import re
import shutil
import subprocess
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg2
import psycopg2.extensions
from sqlalchemy import URL

from storage.copying.backup_contents import choose_entries
from storage.embedded import binaries
from storage.errors import EmbeddedServerError, StorageError, Unreachable
from storage.files import PRIVATE, replace_file
from storage.url import connect_args, is_embedded, mask_password, parse

MAGIC = b"PGDMP"
LOOPBACK = ("", "localhost", "127.0.0.1", "::1")
TABLES = """
    SELECT count(*) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND nspname !~ '^pg_' AND nspname <> 'information_schema'
"""


def backup(url: str, path: Path) -> None:
    """Write the database to a file in pg_dump's custom format, which replaces an older file when it is complete.

    Raises:
        BadURL: the URL is not a Postgres URL.
        Unreachable: the server cannot be reached, or refuses the user.
        StorageError: pg_dump is missing or fails, or the file cannot be written.
    """
    location = parse(url)
    _count_tables(location)
    try:
        with replace_file(path, mode=PRIVATE) as partial:
            _run("pg_dump", location, ["--format=custom", f"--file={partial}"])
    except OSError as error:
        raise StorageError(
            f"the backup cannot be written to {path} ({error.strerror}); name a file in a folder that exists, can be "
            "written and has room"
        ) from error


def restore(url: str, path: Path) -> None:
    """Restore Optuna's tables and ours from a backup into an empty database, completely or not at all.

    Raises:
        BadURL: the URL is not a Postgres URL.
        Unreachable: the server cannot be reached, or refuses the user.
        StorageError: the database is not empty, the file is no backup of a storage, or pg_restore is missing or fails.
    """
    location = parse(url)
    _check_file(path)
    if tables := _count_tables(location):
        raise StorageError(
            f"a backup is restored into an empty database only, but {mask_password(location)} has {tables} tables "
            "or sequences; create a new database and name that one"
        )
    listing = _run("pg_restore", location, ["--list", str(path.absolute())], connect=False)
    with TemporaryDirectory() as folder:
        chosen = Path(folder, "list")
        chosen.write_text("\n".join(choose_entries(listing, path)), encoding="utf-8")
        # In one transaction, and owned by the user who restores: the roles of the old server may not exist here.
        options = ["--single-transaction", "--no-owner", "--no-privileges", f"--use-list={chosen}"]
        _run("pg_restore", location, [*options, str(path.absolute())])


def _check_file(path: Path) -> None:
    try:
        with path.open("rb") as file:
            start = file.read(len(MAGIC))
    except OSError as error:
        raise StorageError(
            f"the backup {path} cannot be read ({error.strerror}); name a file that `search storage backup` wrote"
        ) from error
    if start != MAGIC:
        raise StorageError(
            f"{path} is not a backup in pg_dump's custom format; name a file that `search storage backup` wrote"
        )


def _count_tables(url: URL) -> int:
    try:
        with closing(psycopg2.connect(**connect_args(url))) as connection, connection.cursor() as cursor:
            cursor.execute(TABLES)
            row = cursor.fetchone()
    except psycopg2.OperationalError as error:
        raise Unreachable(
            f"the database {mask_password(url)} cannot be opened ({_reason(str(error))}); check that its server runs, "
            "and the address, user, password and name"
        ) from error
    return int(row[0]) if row else 0


def _run(name: str, url: URL, options: list[str], *, connect: bool = True) -> str:
    """Run a client program with the password in its environment, never on its command line; return its output."""
    arguments = connect_args(url)
    password = str(arguments.pop("password", ""))
    if "sslpassword" in arguments:
        raise StorageError(f"{name} cannot be given an sslpassword; use a client key without a passphrase")
    target = psycopg2.extensions.make_dsn(**{key: str(value) for key, value in arguments.items()})
    database = ["--no-password", f"--dbname={target}"] if connect else []
    finished = subprocess.run(
        [_program(name, arguments), *database, *options],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        env=_environment(url) | ({"PGPASSWORD": password} if password else {}),
    )
    if finished.returncode != 0:
        raise StorageError(
            f"{name} failed on {mask_password(url)}, and nothing was changed: {_reason(finished.stderr)}"
        )
    return finished.stdout


def _environment(url: URL) -> dict[str, str]:
    """Return the environment of a client program; libpq's variables are meant for other servers than the embedded."""
    return {name: value for name, value in os.environ.items() if not (is_embedded(url) and name.startswith("PG"))}


def _program(name: str, arguments: dict[str, str | int]) -> str:
    """Return the client program: the bundled one on this machine, the system's for a server elsewhere.

    The bundled programs are built without TLS: over a network they would send the data unencrypted.
    """
    local = str(arguments.get("host", "")) in LOOPBACK or str(arguments.get("host")).startswith("/")
    if not local and (found := shutil.which(name)):
        return found
    if local or arguments.get("sslmode") == "disable":
        try:
            return str(binaries.locate() / "bin" / name)
        except EmbeddedServerError:
            if found := shutil.which(name):
                return found
    raise StorageError(
        f"there is no {name} here that supports TLS; install Postgres's client programs (postgresql-client), or add "
        "?sslmode=disable to the URL if the network is trusted"
    )


def _reason(output: str) -> str:
    """Return the first error that a program reports, without the program's name."""
    lines = output.strip().splitlines() or ["no reason given"]
    errors = [line for line in lines if re.search(r"error:|FATAL:", line)]
    return re.sub(r"^.*?(error|FATAL): +", "", (errors or lines)[0])
