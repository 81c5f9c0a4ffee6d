"""One Postgres data folder and its server: pg_ctl, and the connection that tells whether the server runs.

Nothing here locks; `storage.embedded.server` holds the lock that serializes starts and stops.
"""

import os
import shlex
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import psycopg2.extensions
from sqlalchemy import URL

from storage.embedded import binaries
from storage.embedded.binaries import Account
from storage.errors import EmbeddedServerError

HOST = "127.0.0.1"
NAME = "search"  # of the role and of the database
START_TIMEOUT_SECONDS = 120
STOP_TIMEOUT_SECONDS = 60
CONNECT_TIMEOUT_SECONDS = 5
LOG_BYTES = 1_000_000
NO_PROCESS = 2**22 + 1  # above what any kernel hands out
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "64MB",  # for a laptop; fsync stays on, because what is committed must last
    "max_wal_size": "256MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    # Parallel queries need more of /dev/shm than a container has.
    "max_parallel_workers_per_gather": "0",
}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a running server says about itself; the version is for instance "18.4"."""

    port: int
    pid: int
    version: str


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
    def pgpass(self) -> Path:
        """The password in libpq's format, readable by its owner alone."""
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

    def choose_port(self, *, again: bool) -> int:
        """Return a free port; with `again`, the last one if it is free, where old clients look for the server."""
        file = self.folder / "port"
        with suppress(OSError, ValueError, OverflowError):
            if again:
                return _bind(int(file.read_text()))
        port = _bind(0)
        file.write_text(f"{port}\n")
        return port

    def start(self, port: int, inherited: int) -> None:
        """Start the server on a port and wait until it accepts connections.

        Args:
            inherited: The descriptor of a file that every process of the server keeps open while it lives.

        Raises:
            EmbeddedServerError: it does not start; the message ends with the last lines of its log.
        """
        install = self.find_install()
        self._check_major(install)
        self._rotate_log()
        self._remove_process_number()
        options = shlex.join([f"--{name}={value}" for name, value in SETTINGS.items()] + [f"--port={port}"])
        # pg_ctl gives the server a session and standard streams of its own.
        command = [
            str(install / "bin" / "pg_ctl"),
            "start",
            "-w",
            "-t",
            str(START_TIMEOUT_SECONDS),
            "-D",
            str(self.data),
        ]
        finished = binaries.run([*command, "-l", self.log, "-o", options], self.account, pass_fds=[inherited])
        if finished.returncode != 0:
            raise EmbeddedServerError(
                f"the embedded Postgres in {self.folder} does not start; set SEARCH_HOME to another folder "
                f"or give --storage URL; its log ends with:\n{tail(self.log.read_text(errors='replace'))}"
            )
        try:
            self._create_database(port)
        except psycopg2.Error as error:
            self.stop()
            raise EmbeddedServerError(
                f"the embedded Postgres does not accept the password in {self.pgpass} ({tail(str(error))}); restore "
                f"that file, or move {self.folder} away to start with an empty storage"
            ) from error

    def stop(self) -> None:
        """Stop the server, ending every connection to it.

        Raises:
            EmbeddedServerError: it does not stop.
        """
        program = self.find_install() / "bin" / "pg_ctl"
        command = [str(program), "stop", "-w", "-t", str(STOP_TIMEOUT_SECONDS), "-D", str(self.data), "-m"]
        if binaries.run([*command, "fast"], self.account).returncode == 0:
            return
        finished = binaries.run([*command, "immediate"], self.account)
        if finished.returncode != 0:
            raise EmbeddedServerError(
                f"the embedded Postgres in {self.folder} does not stop ({tail(finished.stderr)}); end its process"
            )

    def ask(self) -> Answer | None:
        """Connect to the server that the data folder names; return None if it does not answer as ours."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            pid, port = int(lines[0]), int(lines[3])
            connection = self._connect(port)
        except (FileNotFoundError, IndexError, ValueError, psycopg2.OperationalError):
            return None
        number = connection.server_version
        connection.close()
        return Answer(port=port, pid=pid, version=f"{number // 10000}.{number % 10000}")

    def build_url(self, port: int) -> str:
        """Return the SQLAlchemy URL of the database, which names the password file and holds no password."""
        location = URL.create(
            "postgresql+psycopg2", username=NAME, host=HOST, port=port, database=NAME, query=self._secrets()
        )
        return location.render_as_string(hide_password=False)

    def _connect(self, port: int) -> psycopg2.extensions.connection:
        return psycopg2.connect(
            host=HOST,
            port=port,
            user=NAME,
            dbname="postgres",
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            sslmode="disable",
            **self._secrets(),
        )

    def _secrets(self) -> dict[str, str]:
        """Return how to authenticate: only by SCRAM if libpq can insist on it.

        With SCRAM the server proves that it knows the password, so another program on the port cannot learn it.
        """
        insist = {"require_auth": "scram-sha-256"} if psycopg2.extensions.libpq_version() >= 160000 else {}
        return {"passfile": str(self.pgpass)} | insist

    def _check_major(self, install: Path) -> None:
        made = (self.data / "PG_VERSION").read_text().strip()
        ours = binaries.read_version(install, self.account)
        if made != ours.split(".")[0]:
            raise EmbeddedServerError(
                f"the data in {self.data} were made by Postgres {made}, but Postgres {ours} is installed; back them up "
                "with the release that made them, or move the folder away to start with an empty storage"
            )

    def _rotate_log(self) -> None:
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.old"))
        descriptor = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        os.close(descriptor)
        hand_over(self.log, self.account)

    def _remove_process_number(self) -> None:
        """Replace a dead server's process number in its lock file.

        It may be the number of a zombie or of another process by now, which Postgres would take for a running
        server. The other lines stay: through them Postgres finds shared memory that is still in use.
        """
        path = self.data / "postmaster.pid"
        if path.exists():
            _, *rest = path.read_text().splitlines(keepends=True) or [""]
            path.write_text("".join([f"{NO_PROCESS}\n", *rest]))

    def _create_database(self, port: int) -> None:
        connection = self._connect(port)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [NAME])
                if cursor.fetchone() is None:
                    cursor.execute(f"CREATE DATABASE {NAME}")
        finally:
            connection.close()


def _bind(port: int) -> int:
    """Bind and release a port, as the server will bind it, and return it; 0 stands for any free one."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        return int(listener.getsockname()[1])


def hand_over(path: Path, account: Account | None) -> None:
    """Give a file or folder that root created to the user that runs the server."""
    if account:
        os.chown(path, account.uid, account.gid, follow_symlinks=False)


def tail(text: str) -> str:
    """Return the last lines of a program's output."""
    return "\n".join(text.strip().splitlines()[-8:])
