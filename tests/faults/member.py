"""A command that works on a study, and the machine that it runs on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tests.search.command import Process
from tests.warm import client
from tests.warm.client import Place

SECONDS = 240


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where a command runs: its host name (None for this one's), cores, and environment variables."""

    host: str | None = None
    cores: tuple[int, ...] = (0,)
    environment: Mapping[str, str] = field(default_factory=dict)

    def start(self, arguments: list[str], environment: Mapping[str, str], output: IO[bytes]) -> Process:
        """Start a `search` command here."""
        if client.can_start(environment):
            cores = self._choose_cores()
            return client.start("search", arguments, environment, Place(cores=cores, host=self.host, output=output))
        return self.start_cold(arguments, environment, output)

    def start_cold(self, arguments: list[str], environment: Mapping[str, str], output: IO[bytes]) -> Process:
        """Start it with an interpreter that has imported nothing yet."""
        return subprocess.Popen(
            [*self._prefix(self._choose_cores()), sys.executable, "-P", "-m", "search", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            start_new_session=True,
        )

    def _choose_cores(self) -> list[int]:
        here = sorted(os.sched_getaffinity(0))
        return sorted({here[core % len(here)] for core in self.cores})

    def _prefix(self, cores: list[int]) -> list[str]:
        rename = ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"']
        return ["taskset", "-c", ",".join(map(str, cores)), *([*rename, self.host] if self.host is not None else [])]


@dataclass(frozen=True)
class Member:
    """A running `search` command; its output goes into a file."""

    process: Process
    log: Path

    @property
    def said(self) -> str:
        """Everything that it has printed until now."""
        return self.log.read_text()

    def signal(self, number: int) -> None:
        """Send a signal to the command and all its workers."""
        os.killpg(self.process.pid, number)

    def kill(self) -> None:
        """End it and its workers as a power cut does."""
        self.signal(signal.SIGKILL)
        self.process.wait(SECONDS)

    def end_well(self) -> None:
        """Wait until it ends with code 0 and without a traceback."""
        code = self.process.wait(SECONDS)
        assert code == 0, f"exit {code}\n{self.said}"
        assert "Traceback" not in self.said, self.said
