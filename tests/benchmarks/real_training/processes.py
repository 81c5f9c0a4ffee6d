"""Runs studies side by side, each a `search run` of its own, and ends them in time whatever they do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.real_training.comparison import Run, Settings, write_flags

# What a run may take beyond its study's time: the imports before it, the last step and the report after it.
START_SECONDS = 60.0
# From SIGINT to SIGKILL, and from there until a process is left alone.
STOP_SECONDS = 15.0
DEAD_SECONDS = 5.0

DONE, CUT, INTERRUPTED = "done", "ended by force", "interrupted"
FINISHED = (DONE, CUT)
"""How a run ends that has had its time."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the studies are, and where their commands' output goes."""

    home: Path
    logs: Path


def train(settings: Settings, studies: Mapping[Run, str], place: Place) -> dict[Run, str]:
    """Train studies side by side, and return how each run ended.

    That is `DONE`, `CUT`, `INTERRUPTED`, or an exit code in words. An interrupt ends all of them.

    studies: their names, by run.
    """
    place.logs.mkdir(parents=True, exist_ok=True)
    running: dict[Run, subprocess.Popen[bytes]] = {}
    limit = time.monotonic() + settings.seconds + START_SECONDS
    why = CUT
    try:
        for number, (run, study) in enumerate(studies.items()):
            running[run] = _start(settings, run, study, place)
            _share_cores(running[run].pid, settings, number)
        for process in running.values():
            _wait(process, limit)
    except KeyboardInterrupt:
        why = INTERRUPTED
    left = {run for run, process in running.items() if process.poll() is None}
    _stop([running[run] for run in left])
    return {run: why if run in left or run not in running else _describe(running[run].returncode) for run in studies}


def _start(settings: Settings, run: Run, study: str, place: Place) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "search", *write_flags(settings, run, study)]
    elsewhere = ("SEARCH_STORAGE", "OPTUNA_STORAGE")
    environment = {name: value for name, value in os.environ.items() if name not in elsewhere}
    with (place.logs / f"{run.name}.txt").open("wb") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**environment, "SEARCH_HOME": str(place.home)},
            start_new_session=True,  # an interrupt of this program is passed on when it has been noted
        )


def _share_cores(pid: int, settings: Settings, number: int) -> None:
    """Give a study that trains on the CPU its own cores: a run divides all that it sees among its workers."""
    if settings.at_once == 1 or settings.device != "cpu" or not hasattr(os, "sched_setaffinity"):
        return
    cores = sorted(os.sched_getaffinity(0))
    share = len(cores) // settings.at_once
    if share:
        with suppress(ProcessLookupError):
            os.sched_setaffinity(pid, cores[number * share : (number + 1) * share])


def _wait(process: subprocess.Popen[bytes], until: float) -> None:
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=max(0.0, until - time.monotonic()))


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """End runs in order or, where they take too long, with all that they have started."""
    for process in processes:
        process.send_signal(signal.SIGINT)
    limit = time.monotonic() + STOP_SECONDS
    for process in processes:
        _wait(process, limit)
    for process in processes:
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    limit = time.monotonic() + DEAD_SECONDS
    for process in processes:
        _wait(process, limit)


def _describe(code: int) -> str:
    return DONE if code == 0 else f"exit code {code}"
