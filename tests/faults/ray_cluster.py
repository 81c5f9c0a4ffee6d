"""A Ray cluster of real nodes on loopback, each of which can be killed as a machine dies."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

LOCAL = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # on loopback only
    "RAY_USAGE_STATS_ENABLED": "0",
    # A machine counts as dead after 4 s, not 15.
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_failure_threshold": "4",
}
OPEN = {"RAY_AUTH_MODE": "disabled"}


def make_guard() -> dict[str, str]:
    """Return the environment with which a cluster, and who uses it, insist on a token."""
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}


@dataclass(frozen=True)
class RayNode:
    """A node: the process that has started its parts, and these."""

    process: subprocess.Popen[str]
    address: str

    def kill(self) -> None:
        """End it with all its actors and their workers, as a power cut does."""
        with suppress(psutil.NoSuchProcess):
            everything = [psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children(recursive=True)]
            for one in everything:
                with suppress(psutil.NoSuchProcess):
                    one.kill()
        self.process.communicate()


@dataclass
class RayCluster:
    """The nodes of a cluster, the first of which has its address."""

    folder: Path
    environment: Mapping[str, str]
    nodes: list[RayNode] = field(default_factory=list)

    @property
    def address(self) -> str:
        """The cluster's address."""
        return self.nodes[0].address

    def start(self, *cpus: int) -> None:
        """Start a node for each number of CPUs: the first of a cluster, then the others at once."""
        rest = list(cpus)
        if not self.nodes:
            self._wait([self._launch(rest.pop(0))])
        self._wait([self._launch(count) for count in rest])

    def read_logs(self) -> str:
        """Return everything that Ray has written into its folder."""
        files = [path for path in self.folder.rglob("*") if path.is_file() and not path.is_symlink()]
        return "\n".join(path.read_text(errors="replace") for path in files)

    def _launch(self, cpus: int) -> subprocess.Popen[str]:
        words = [str(self.folder), str(cpus), *([self.address] if self.nodes else [])]
        return subprocess.Popen(
            [sys.executable, "-m", "tests.faults.ray_node", *words],
            cwd=Path(__file__).parents[2],
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def _wait(self, started: list[subprocess.Popen[str]]) -> None:
        for process in started:
            assert process.stdout is not None
            self.nodes.append(RayNode(process, process.stdout.readline().strip()))
            assert self.nodes[-1].address, "a node has not started"


@contextmanager
def running(folder: Path, environment: Mapping[str, str]) -> Iterator[RayCluster]:
    """Yield a cluster without nodes, whose nodes are killed at the end."""
    cluster = RayCluster(folder, {**environment, **LOCAL})
    try:
        yield cluster
    finally:
        for node in reversed(cluster.nodes):
            node.kill()
