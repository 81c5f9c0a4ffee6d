"""Running the `search` command as a user does: in a process of its own.

It starts warm (see `tests/warm`), unless `SEARCH_TEST_COLD` is set or a test asks for an interpreter that has imported
nothing yet.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.warm import client
from tests.warm.client import Place, WarmProcess

SECONDS = 300

Process = subprocess.Popen[str] | WarmProcess


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """The lines on stderr, without the one that names the storage."""
        return [line for line in self.err.splitlines() if line and not line.startswith("note: the storage is ")]

    @property
    def document(self) -> Any:
        """The JSON document on stdout; anything else there is an error."""
        return json.loads(self.out)


def search(
    *arguments: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None, cold: bool = False
) -> Ended:
    """Run to the end."""
    started = start(*arguments, cwd=cwd, env=env, cold=cold)
    out, err = started.communicate(timeout=SECONDS)
    assert started.returncode is not None
    return Ended(started.returncode, out, err)


def start(
    *arguments: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None, cold: bool = False
) -> Process:
    """Start, in a process group of its own, as a shell does."""
    words, environment = [str(argument) for argument in arguments], {**os.environ, **(env or {})}
    if not cold and client.can_start(environment):
        return client.start("search", words, environment, Place(folder=cwd))
    return _start_cold(["-P", "-m", "search", *words], environment, cwd)


def start_script(script: Path, *arguments: str, cold: bool = False) -> Process:
    """Start a script in its own folder, in a process group of its own."""
    if not cold and client.can_start(os.environ):
        return client.start(str(script), list(arguments), dict(os.environ), Place(folder=script.parent))
    return _start_cold([str(script), *arguments], os.environ, script.parent)


def _start_cold(arguments: list[str], environment: Mapping[str, str], folder: Path | None) -> Process:
    return subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        cwd=folder,
        env=environment,
        start_new_session=True,
    )


def done(
    *arguments: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None, cold: bool = False
) -> Ended:
    """Run to a good end."""
    ended = search(*arguments, cwd=cwd, env=env, cold=cold)
    assert ended.code == 0, f"{arguments}: exit {ended.code}\n{ended.out}\n{ended.err}"
    return ended


def run_script(path: Path, *arguments: str | Path) -> Ended:
    """Run a Python script to the end."""
    words = [str(argument) for argument in arguments]
    if client.can_start(os.environ):
        out, err = (started := client.start(str(path), words, dict(os.environ), Place())).communicate(timeout=SECONDS)
        return Ended(started.returncode or 0, out, err)
    ended = subprocess.run([sys.executable, str(path), *words], capture_output=True, text=True, check=False)
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def kill_group(process: Process, number: int = signal.SIGKILL) -> None:
    """Send a signal to a command and all its workers, as a power cut or a terminal does."""
    os.killpg(process.pid, number)


def until(condition: Callable[[], bool], what: str, seconds: float = 120) -> None:
    """Wait for a condition, at most so long."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain for {what}"
        time.sleep(0.1)


def finished(status: Mapping[str, Any]) -> int:
    """How many trials have spent a slot."""
    return int(status["states"]["complete"] + status["states"]["pruned"])
