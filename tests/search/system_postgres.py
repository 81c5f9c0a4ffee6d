"""The machine's own Postgres, as a team's server: reached by TCP, with a password in a file of libpq's."""

from __future__ import annotations

import os
import pwd
import secrets
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

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


@contextmanager
def running(programs: Path, folder: Path, settings: str = "") -> Iterator[SystemPostgres]:
    """A server in a new folder below `folder`, which its user must be able to enter.

    settings: further ones, as `-c name=value`.
    """
    data, password = folder / "system", secrets.token_hex(12)
    data.mkdir(mode=0o700)
    word = folder / "word"
    word.write_text(password)
    account = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    if account is not None:
        for path in (data, word):
            os.chown(path, account.pw_uid, account.pw_gid)
    port = _free_port()

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [str(programs / program), *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            user=None if account is None else account.pw_uid,
            group=None if account is None else account.pw_gid,
        )

    run("initdb", "-D", str(data), "-U", "team", "-A", "scram-sha-256", f"--pwfile={word}", "--no-sync")
    options = f"-c listen_addresses=127.0.0.1 -p {port} -c unix_socket_directories= -c fsync=off {settings}"
    run("pg_ctl", "-D", str(data), "-w", "-l", str(data / "log"), "-o", options, "start")
    try:
        password_file = folder / "pgpass"
        password_file.write_text(f"127.0.0.1:{port}:*:team:{password}\n")
        password_file.chmod(0o600)
        url = f"postgresql://team@127.0.0.1:{port}/postgres"
        yield SystemPostgres(url=url, password_file=password_file, version=programs.parts[-2], data=data)
    finally:
        run("pg_ctl", "-D", str(data), "-m", "immediate", "stop")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
