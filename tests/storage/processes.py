"""Other processes that use the embedded server, and what tests need to be rough with them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from storage.embedded import binaries
from storage.embedded.server import EmbeddedServer

ROOT = Path(__file__).parents[2]
END_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
    "AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
)
"""SQL that ends the other clients' connections to the same database; autovacuum's an ordinary role may not end."""
# Prints the URL, then releases when its standard input ends. It may first become another user.
USER = """
import os, subprocess, sys
from pathlib import Path
import psycopg2.extensions, sqlalchemy.dialects.postgresql.psycopg2
from storage.embedded.server import EmbeddedServer
from storage.errors import EmbeddedServerError
home, method, uid = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
if uid:
    os.setgroups([]), os.setgid(uid), os.setuid(uid)
try:
    server = EmbeddedServer(home)
    print(getattr(server, method)(), flush=True)
except EmbeddedServerError as error:
    sys.exit(str(error))
sys.stdin.read()
if method == "acquire":
    server.release()
"""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="root alone can become other users")


def start_user(home: Path, method: str = "acquire", uid: int = 0) -> subprocess.Popen[str]:
    """Start a process that uses the server in a home, in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", USER, str(home), method, str(uid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    )


@contextmanager
def using(home: Path, method: str = "acquire", uid: int = 0) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run another process that uses the server until the block ends; yield it and the URL it got."""
    with start_user(home, method, uid) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.communicate()


def kill(pid: int | None) -> None:
    """Kill a process as a power cut would."""
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def kill_server(server: EmbeddedServer) -> None:
    """Kill the postmaster, and wait until its port refuses connections and those that were open have ended.

    Its other processes notice its death a moment later, and answer until then.
    """
    pid = server.status().pid
    assert pid is not None
    others = psutil.Process(pid).children(recursive=True)
    kill(pid)
    deadline = time.monotonic() + 30
    while server.status().running:
        assert time.monotonic() < deadline, "the killed server still answers"
        time.sleep(0.01)
    _, left = psutil.wait_procs(others, timeout=30)
    assert left == []


def server_user() -> int:
    """Return the user id that the server runs as when this process starts it."""
    account = binaries.find_unprivileged_account()
    return account.uid if account else os.geteuid()
