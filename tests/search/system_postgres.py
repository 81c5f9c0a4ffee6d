"""Private servers beside the embedded one, of the machine's own Postgres or of the installed wheel's.

A team's server is reached by TCP, with a password in a file of libpq's.
"""

from __future__ import annotations

import secrets
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from storage.embedded import binaries
from storage.embedded.cluster import hand_over

FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))


@dataclass(frozen=True)
class SystemPostgres:
    """A running server: its URL has no password, the file in libpq's format has."""

    url: str
    password_file: Path
    version: str
    data: Path


def installed() -> Path | None:
    """The programs of the newest Postgres that the system has."""
    return FOLDERS[-1].parent if FOLDERS else None


def bundled(folder: Path) -> Path:
    """The programs of the wheel, copied below `folder` if the servers' user cannot reach them."""
    return binaries.make_reachable(binaries.locate(), binaries.find_unprivileged_account(), folder) / "bin"


@contextmanager
def running(programs: Path, folder: Path, settings: str = "") -> Iterator[SystemPostgres]:
    """A server in a new folder below `folder`, which its user must be able to enter.

    settings: further ones, as `-c name=value`.
    """
    data, password = folder / "system", secrets.token_hex(12)
    word = folder / "word"
    word.write_text(password)
    hand_over(word, binaries.find_unprivileged_account())
    initialize(programs, data, "-U", "team", "-A", "scram-sha-256", f"--pwfile={word}")
    with serving(programs, data, f"-c unix_socket_directories= {settings}") as port:
        password_file = folder / "pgpass"
        password_file.write_text(f"127.0.0.1:*:*:team:{password}\n")
        password_file.chmod(0o600)
        url = f"postgresql://team@127.0.0.1:{port}/postgres"
        yield SystemPostgres(url=url, password_file=password_file, version=programs.parts[-2], data=data)


@contextmanager
def standby(programs: Path, primary: SystemPostgres) -> Iterator[str]:
    """The URL of a server that repeats what the primary writes, from a copy of its data."""
    data = primary.data.with_name("standby")
    password = primary.password_file.read_text().strip().rpartition(":")[2]
    source = f"{primary.url.removesuffix('/postgres')}?password={password}"
    make_folder(data)
    run(programs, "pg_basebackup", "-D", data, "-d", source, "-R", "-c", "fast", "--no-sync", "--no-manifest")
    with serving(programs, data, "-c unix_socket_directories=") as port:
        yield f"postgresql://team@127.0.0.1:{port}/postgres"


def initialize(programs: Path, data: Path, *options: str) -> None:
    """Make a data folder."""
    make_folder(data)
    run(programs, "initdb", "-D", data, "--no-sync", *options)


def make_folder(folder: Path) -> None:
    """Make a folder of the servers' user."""
    folder.mkdir(mode=0o700)
    hand_over(folder, binaries.find_unprivileged_account())


@contextmanager
def serving(programs: Path, data: Path, settings: str) -> Iterator[int]:
    """Run the server of a data folder, and yield the port on which it listens.

    settings: as `-c name=value`.
    """
    port = _free_port()
    options = f"-c listen_addresses=127.0.0.1 -p {port} -c fsync=off {settings}"
    run(programs, "pg_ctl", "-D", data, "-w", "-l", data / "log", "-o", options, "start")
    try:
        yield port
    finally:
        run(programs, "pg_ctl", "-D", data, "-m", "immediate", "stop")


def run(programs: Path, program: str, *arguments: str | Path) -> None:
    """Run a program as the servers' user."""
    account = binaries.find_unprivileged_account()
    subprocess.run(
        [programs / program, *arguments],
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        user=None if account is None else account.uid,
        group=None if account is None else account.gid,
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
