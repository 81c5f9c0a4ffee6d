"""Running the `search` command as a user does: in a process of its own."""

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

SECONDS = 300


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The JSON document on stdout; anything else there is an error."""
        return json.loads(self.out)


def search(*arguments: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Ended:
    """Run to the end."""
    process = start(*arguments, cwd=cwd, env=env)
    out, err = process.communicate(timeout=SECONDS)
    return Ended(process.returncode, out, err)


def start(
    *arguments: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start, in a process group of its own, as a shell does."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "search", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        start_new_session=True,
    )


def done(*arguments: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Ended:
    """Run to a good end."""
    ended = search(*arguments, cwd=cwd, env=env)
    assert ended.code == 0, f"{arguments}: exit {ended.code}\n{ended.out}\n{ended.err}"
    return ended


def kill_group(process: subprocess.Popen[str], number: int = signal.SIGKILL) -> None:
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
