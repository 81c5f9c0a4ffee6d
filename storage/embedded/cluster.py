"""One Postgres data folder: its files, and the connection that tells whether its server runs.

Nothing here locks; `storage.embedded.server` holds the lock that serializes starts and stops.
"""

import os
import shlex
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import psycopg2.extensions
from sqlalchemy import URL, make_url

from storage.connecting.libpq import connect_args, drop_useless_variables
from storage.embedded import binaries, file_locks
from storage.embedded.binaries import Account
from storage.embedded.owned_files import read_owned
from storage.errors import EmbeddedServerError

HOST = "127.0.0.1"
NAME = "search"  # of the database, and of the role that owns it
READER = "reader"  # the role that may only read it
SUPERUSER = "postgres"  # the role that initdb makes, without a password
CONNECT_TIMEOUT_SECONDS = 5


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a running server says about itself; the version is for instance "18.4"."""

    port: int
    pid: int
    version: str


@dataclass(frozen=True, kw_only=True)
class ServerProcess:
    """What a server wrote about itself when it started."""

    pid: int
    port: int
    ready: bool
    """Whether it accepts connections."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A folder with the data, the log and the password file of one server, and the user that runs it."""

    folder: Path
    account: Account | None

    @property
    def data(self) -> Path:
        """The data folder, which belongs to the server's user."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """What the server wrote since its log was last rotated."""
        return self.folder / "server.log"

    @property
    def process_file(self) -> Path:
        """Where the server writes its process number and port."""
        return self.data / "postmaster.pid"

    @property
    def server_lock(self) -> Path:
        """The file that every process of the server locks; it holds the name of their machine."""
        return self.folder / "server.lock"

    @property
    def pgpass(self) -> Path:
        """The passwords in libpq's format, readable by their owner alone."""
        return self.folder / "pgpass"

    @property
    def is_initialized(self) -> bool:
        """Whether the data folder has been made."""
        return (self.data / "PG_VERSION").exists()

    @property
    def size_bytes(self) -> int:
        """The size of the data folder; 0 if there is none, or if the caller may not read it."""
        total = 0
        for place, _, files in os.walk(self.data):
            for name in files:
                with suppress(FileNotFoundError):
                    total += os.lstat(os.path.join(place, name)).st_size
        return total

    def find_install(self) -> Path:
        """Return the Postgres installation that this cluster's user runs."""
        return binaries.make_reachable(binaries.locate(), self.account, self.folder)

    def read_major(self) -> str:
        """Return the version of the Postgres that made the data, for instance "18".

        Raises:
            FileNotFoundError: there are no data.
            EmbeddedServerError: another user's file is in that place.
        """
        return read_owned(self.data / "PG_VERSION", self.account).strip()

    def read_process(self) -> ServerProcess | None:
        """Return what the server wrote about itself, which may have died since; None if it wrote nothing whole.

        Raises:
            EmbeddedServerError: another user's file is in that place, or one that others can read holds the passwords.
        """
        self._check_private()
        try:
            # Not splitlines(): the data folder's name is a line, and may contain what that takes for an end of one.
            lines = read_owned(self.process_file, self.account).split("\n")
            return ServerProcess(pid=int(lines[0]), port=int(lines[3]), ready=lines[7].strip() == "ready")
        except (FileNotFoundError, IndexError, ValueError):
            return None

    def ask(self) -> Answer | None:
        """Connect to the server that the data folder names; return None if it does not answer as ours.

        Raises:
            EmbeddedServerError: as `read_process`.
        """
        process = self.read_process()
        if process is None:
            return None
        try:
            connection = self.connect(process.port, database="postgres")
        except psycopg2.OperationalError:
            return None
        number = connection.server_version
        connection.close()
        return Answer(port=process.port, pid=process.pid, version=f"{number // 10000}.{number % 10000}")

    def check_place(self) -> None:
        """Refuse a server that runs on another machine or in another container.

        Raises:
            EmbeddedServerError: it does.
        """
        where = self.server_lock.read_text()
        if where not in ("", file_locks.machine_name()):
            raise EmbeddedServerError(
                f"the embedded server in {self.folder} runs on another machine or container ({where.split()[0]}) and "
                "serves only that one; give both the same Postgres with --storage URL"
            )

    def check_password_file(self) -> None:
        """Refuse a server that runs, but whose passwords are lost.

        Raises:
            EmbeddedServerError: they are.
        """
        process = self.read_process()
        if process is not None and process.ready and not self.pgpass.exists():
            raise EmbeddedServerError(
                f"the embedded server runs, but its passwords in {self.pgpass} are gone; end it with "
                f"`kill -INT {process.pid}`: the next command creates new ones, and no study is lost"
            )

    def build_url(self, port: int) -> str:
        """Return the SQLAlchemy URL of the database, which names the password file and holds no password."""
        location = URL.create(
            "postgresql+psycopg2", username=NAME, host=HOST, port=port, database=NAME, query=self._secrets()
        )
        return location.render_as_string(hide_password=False)

    def connect(self, port: int, *, database: str) -> psycopg2.extensions.connection:
        """Connect as the owner of the studies.

        Raises:
            psycopg2.OperationalError: the server does not answer, or refuses the password.
        """
        arguments = connect_args(make_url(self.build_url(port)).set(database=database))
        while True:
            try:
                return psycopg2.connect(**arguments, connect_timeout=CONNECT_TIMEOUT_SECONDS)
            except psycopg2.OperationalError as error:
                if not drop_useless_variables(str(error)):
                    raise

    def _check_private(self) -> None:
        """Refuse passwords that others can read, of which libpq makes no use."""
        mode = self.pgpass.stat().st_mode & 0o777 if self.is_initialized and self.pgpass.exists() else 0
        if mode & 0o077:
            raise EmbeddedServerError(
                f"the passwords in {self.pgpass} may be read by you alone (mode 600), but its mode is {mode:o}; "
                f"run `chmod 600 {shlex.quote(str(self.pgpass))}`"
            )

    def _secrets(self) -> dict[str, str]:
        """Return how to authenticate: only by SCRAM if libpq can insist on it.

        With SCRAM the server proves that it knows the password, so another program on the port cannot learn it.
        """
        insist = {"require_auth": "scram-sha-256"} if psycopg2.extensions.libpq_version() >= 160000 else {}
        return {"passfile": str(self.pgpass), "sslmode": "disable"} | insist


def hand_over(path: Path, account: Account | None) -> None:
    """Give a file or folder that root created to the user that runs the server."""
    if account:
        os.chown(path, account.uid, account.gid, follow_symlinks=False)


def tail(text: str) -> str:
    """Return the last lines of a program's output."""
    return "\n".join(text.strip().splitlines()[-8:])
