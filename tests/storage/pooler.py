"""PgBouncer in transaction mode in front of a server, as teams and hosted Postgres have it."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import sqlalchemy

from storage import url
from storage.connecting.libpq import connect_args

SETTINGS = """
[databases]
* = host={host} port={port} user={user} password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {size}
query_wait_timeout = 10
"""


@contextmanager
def running(folder: Path, address: str, *, size: int = 5) -> Iterator[str]:
    """Yield the URL of the server's database by way of a pooler of that size; `folder` must be open to all."""
    program = shutil.which("pgbouncer")
    if program is None:
        assert os.environ.get("CI") != "true", "PgBouncer is missing (apt install pgbouncer)"
        pytest.skip("PgBouncer is not installed (apt install pgbouncer)")
    location, port = sqlalchemy.make_url(address), _free_port()
    settings = folder / "pgbouncer.ini"
    settings.write_text(SETTINGS.format(listen=port, size=size, password=_read_password(address), **_server(address)))
    account = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    if account is not None:  # it refuses to run as root
        os.chown(settings, account.pw_uid, account.pw_gid)
    settings.chmod(0o600)
    process = subprocess.Popen(
        [program, "-q", str(settings)], cwd="/", user=None if account is None else account.pw_uid,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _wait_until_open(process, port)
        yield f"postgresql://{location.username}@127.0.0.1:{port}/{location.database}"
    finally:
        process.kill()
        process.wait()


def _server(address: str) -> dict[str, object]:
    arguments = connect_args(url.parse(address))
    return {name: arguments[name] for name in ("host", "port", "user")}


def _read_password(address: str) -> str:
    location = url.parse(address)
    if location.password:
        return str(location.password)
    lines = Path(str(connect_args(location)["passfile"])).read_text().splitlines()
    [password] = [line.rpartition(":")[2] for line in lines if line.split(":")[3] == location.username]
    return password


def _wait_until_open(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise AssertionError(f"PgBouncer does not listen (exit status {process.poll()})")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
