"""Machines with a network of their own, which a test can cut: namespaces of Linux, each on a cable to this one."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

from tests.conftest import execute, open_folder
from tests.faults.member import Machine
from tests.faults.needs import need_root_and
from tests.search import system_postgres
from tests.search.command import Process

NETWORK = "10.213"
SERVER = f"{NETWORK}.0.1"


@dataclass(frozen=True, kw_only=True)
class Host(Machine):
    """A machine on a cable."""

    namespace: str
    cable: str
    """Its end on this machine."""

    def start(self, arguments: list[str], environment: Mapping[str, str], output: IO[bytes]) -> Process:
        """Start a `search` command there; none is warm, because a namespace is entered before the program starts."""
        return self.start_cold(arguments, environment, output)

    def _prefix(self, cores: list[int]) -> list[str]:
        return ["ip", "netns", "exec", self.namespace, *super()._prefix(cores)]

    def cut(self) -> None:
        """Pull the cable: from now on every packet is lost, and neither side is told."""
        _run("ip", "link", "set", self.cable, "down")

    def mend(self) -> None:
        """Put it back."""
        _run("ip", "link", "set", self.cable, "up")


@contextmanager
def hosts(names: Sequence[str]) -> Iterator[list[Host]]:
    """Yield machines of these names, which reach this one and nothing else."""
    need_root_and("ip")
    try:
        with _host("probe", 0):
            pass
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this kernel gives no machine a network of its own: {error.stderr.strip()}")
    with ExitStack() as stack:
        _run("ip", "address", "add", f"{SERVER}/32", "dev", "lo")
        stack.callback(_run, "ip", "address", "del", f"{SERVER}/32", "dev", "lo")
        yield [stack.enter_context(_host(name, number)) for number, name in enumerate(names, 1)]


@contextmanager
def _host(name: str, number: int) -> Iterator[Host]:
    word = secrets.token_hex(3)
    host = Host(host=name, cores=(number,), namespace=f"{name}-{word}", cable=f"cable-{word}")
    here, there = f"{NETWORK}.{number}.1", f"{NETWORK}.{number}.2"
    inside = ("ip", "-n", host.namespace)
    _run("ip", "netns", "add", host.namespace)
    try:
        _run("ip", "link", "add", host.cable, "type", "veth", "peer", "name", "eth0", "netns", host.namespace)
        _run("ip", "address", "add", f"{here}/30", "dev", host.cable)
        _run("ip", "link", "set", host.cable, "up")
        _run(*inside, "address", "add", f"{there}/30", "dev", "eth0")
        for device in ("lo", "eth0"):
            _run(*inside, "link", "set", device, "up")
        _run(*inside, "route", "add", "default", "via", here)
        yield host
    finally:
        _run("ip", "netns", "del", host.namespace)


@contextmanager
def server() -> Iterator[str]:
    """Yield the URL of a database that the machines reach; its password is in PGPASSFILE meanwhile."""
    with open_folder() as folder, pytest.MonkeyPatch.context() as patch:
        programs = system_postgres.installed() or system_postgres.bundled(folder)
        with system_postgres.running(programs, folder, "-c listen_addresses=*") as running:
            everywhere = Path(folder, "pgpass")
            everywhere.write_text(running.password_file.read_text().replace("127.0.0.1:", "*:", 1))
            patch.setenv("PGPASSFILE", str(everywhere))
            with (running.data / "pg_hba.conf").open("a") as rules:
                rules.write(f"host all all {NETWORK}.0.0/16 scram-sha-256\n")
            execute(running.url, "SELECT pg_reload_conf()")
            port, name = running.url.rpartition(":")[2].split("/")
            yield f"postgresql+psycopg2://team@{SERVER}:{port}/{name}?sslmode=disable"


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
