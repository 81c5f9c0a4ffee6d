"""A command that is asked to end, a step that does not end, and a training that hangs."""

from __future__ import annotations

import math
import signal
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from search.workers.processes import GRACE_SECONDS
from tests.conftest import execute
from tests.faults.pool import LEASE_SECONDS
from tests.search.command import Process, kill_group, start, until

pytestmark = pytest.mark.faults

# A network whose forward pass waits for `seconds`, an expression.
WAITING = """
    import time
    from pathlib import Path

    import torch
    from torch import nn

    from objectives.core.objective import Objective
    from spaces import Fixed, Int, Space

    TIMES = Path(__file__).with_name("times")


    class Waiting(nn.Module):
        def __init__(self, classes):
            super().__init__()
            self.layer = nn.Linear(64, classes)

        def forward(self, x):
            if self.training:
                with TIMES.open("a") as file:
                    file.write(".")
                time.sleep({seconds})
            return self.layer(x.flatten(1))


    OBJECTIVE = Objective(
        data="digits", build_model=lambda config: Waiting(config.classes), epochs={epochs}, trials=1,
        space=Space(learning_rate=Fixed(0.01), batch_size=Fixed(256), unused=Int(0, 9)),
    )
"""


@pytest.fixture(autouse=True)
def remote(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set a storage that outlives the commands."""
    monkeypatch.setenv("SEARCH_STORAGE", database_url)
    monkeypatch.setenv("SEARCH_LEASE_SECONDS", str(LEASE_SECONDS))


def waiting(folder: Path, seconds: str, epochs: int = 1) -> tuple[Path, Path]:
    """Return the objective's file, and the file that grows with every step."""
    path = folder / "waiting.py"
    path.write_text(textwrap.dedent(WAITING.format(seconds=seconds, epochs=epochs)).lstrip())
    return path, folder / "times"


def steps(times: Path) -> int:
    """Return the number of steps that have begun, in all processes."""
    return len(times.read_text()) if times.exists() else 0


Run = Callable[..., Process]


@pytest.fixture
def run() -> Iterator[Run]:
    """Start commands on an objective's file; kill those that still run at the end."""
    started = []

    def begin(objective: Path, verb: str = "run") -> Process:
        started.append(start(verb, "--study", "waiting", "--objective", objective, "--workers", "1"))
        return started[-1]

    yield begin
    for process in started:
        if process.poll() is None:
            kill_group(process)
        if process.stdout is not None and not process.stdout.closed:
            process.communicate()


def rows(address: str, statement: str) -> list[tuple[Any, ...]]:
    return execute(address, statement)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        pytest.param(signal.SIGINT, 130, marks=pytest.mark.long),
        (signal.SIGTERM, 143),
        (signal.SIGUSR1, 143),
        pytest.param(signal.SIGUSR2, 143, marks=pytest.mark.long),
    ],
)
def test_the_step_is_finished_its_state_kept_and_the_trial_released(
    number: int, code: int, run: Run, tmp_path: Path, database_url: str
) -> None:
    """Five steps per epoch, half a second each: the signal comes within an epoch, and nothing is done twice."""
    objective, times = waiting(tmp_path, "0.5", epochs=2)
    process = run(objective)
    until(lambda: steps(times) >= 3, "the third step")
    kill_group(process, number)  # as a terminal, a service manager and Slurm do: the workers receive it as well
    _, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert "Traceback" not in err
    assert rows(database_url, "SELECT expires_at::text FROM depthsearch.leases") == [("-infinity",)]
    [(epoch,)] = rows(database_url, "SELECT epoch FROM depthsearch.checkpoints")
    assert epoch == 0
    process = run(objective, "resume")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert steps(times) == 2 * 5  # 1,294 images: five full batches per epoch, none of them twice
    [(note,)] = rows(database_url, "SELECT value_json FROM trial_user_attributes WHERE key = 'continued'")
    assert note == '["epoch 0"]'


def seconds_to_end(process: Process, number: int, code: int) -> float:
    """Signal a command as a terminal does, and return how long it takes to end with the code."""
    began = time.monotonic()
    kill_group(process, number)
    assert process.wait(60) == code
    return time.monotonic() - began


def quickest(attempt: Callable[[], float], limit: float) -> float:
    """Return the least of up to three times: a busy machine makes every time longer."""
    least = math.inf
    for _ in range(3):
        least = min(least, attempt())
        if least < limit:
            break
    return least


def test_a_step_that_does_not_end_is_cut_off_in_time(run: Run, tmp_path: Path, database_url: str) -> None:
    objective, times = waiting(tmp_path, "3600")

    def attempt() -> float:
        begun, process = steps(times), run(objective)
        until(lambda: steps(times) > begun, "a step")
        return seconds_to_end(process, signal.SIGTERM, 143)

    assert quickest(attempt, 5) < 5
    assert rows(database_url, "SELECT expires_at::text FROM depthsearch.leases") == [("-infinity",)]


def test_the_second_signal_means_now(run: Run, tmp_path: Path, database_url: str) -> None:
    """Sooner than the grace period that a step has after the first one."""
    objective, times = waiting(tmp_path, "3600")

    def attempt() -> float:
        begun, process = steps(times), run(objective)
        until(lambda: steps(times) > begun, "a step")
        kill_group(process, signal.SIGINT)
        time.sleep(0.5)  # a person's second Ctrl-C
        return seconds_to_end(process, signal.SIGINT, 130)

    assert quickest(attempt, GRACE_SECONDS - 0.5) < GRACE_SECONDS - 0.5


def test_workers_end_with_their_command(run: Run, tmp_path: Path, database_url: str) -> None:
    """The command is killed: its worker learns of it, although its step does not end."""
    objective, times = waiting(tmp_path, "3600")
    process = run(objective)
    until(lambda: steps(times) >= 1, "the first step")
    [(worker,)] = rows(database_url, "SELECT worker FROM depthsearch.leases")
    pid = int(str(worker).split("/")[2].partition("-")[0])
    process.kill()
    process.communicate()
    until(lambda: not Path(f"/proc/{pid}/cmdline").exists(), "the worker's end", seconds=10)


def test_a_training_that_hangs_is_ended_and_resumed(
    run: Run, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEARCH_HUNG_SECONDS", "2")
    objective, _ = waiting(tmp_path, "3600 if len(TIMES.read_text()) == 2 else 0")
    process = run(objective)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "trial 0 hangs (no batch for 2 s)" in err
    assert rows(database_url, "SELECT state::text FROM trials") == [("COMPLETE",)]


@pytest.mark.long
def test_what_always_hangs_fails_and_stops_the_study(
    run: Run, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEARCH_HUNG_SECONDS", "1")
    objective, times = waiting(tmp_path, "3600")
    process = run(objective)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "3 trials failed in the same way (TimeoutError: the training hung 3 times without a batch)" in err
    assert rows(database_url, "SELECT state::text FROM trials") == [("FAIL",)] * 3
    assert steps(times) == 9
