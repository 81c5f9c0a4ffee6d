"""A machine whose data are not the study's takes no trial: when it starts, as a service, and between two trials."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from storage.database import Database
from tests.objectives.data import made
from tests.search.command import Process, done, kill_group, search, start, until
from tests.search.workers.test_fleet import trials_of

# Each trial waits until its file is there.
WAITING = """
    import os
    import time

    from torch import nn

    from objectives.core.objective import Objective
    from spaces import Float, Space


    def train(config, data, report):
        begun = os.path.join(os.environ["GATES"], f"begun-{time.time_ns()}")
        open(begun, "w").close()
        while not os.path.exists(os.path.join(os.environ["GATES"], "open")):
            time.sleep(0.05)
        report(0, {"accuracy": config.x})
        return nn.Sequential(nn.Flatten(), nn.Linear(108, 10))


    OBJECTIVE = Objective(data="DATA", train=train, epochs=1, trials=2, space=Space(x=Float(0, 1)))
"""


@pytest.fixture
def gates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    gates = tmp_path / "gates"
    gates.mkdir()  # a trial is known as running before its training looks here
    monkeypatch.setenv("GATES", str(gates))
    monkeypatch.setenv("SEARCH_CACHE", str(tmp_path / "cache"))
    return gates


def write(folder: Path, name: str, data: str) -> Path:
    path = folder / f"{name}.py"
    path.write_text(textwrap.dedent(WAITING).replace("DATA", data))
    return path


def draw(folder: Path, seed: int) -> Path:
    """Write the images of a data set; other seeds, other images."""
    made.write_folders(folder / "flowers" / "train", made.part(3, 20, (6, 6, 3), seed=seed), ["a", "b", "c"])
    return folder


def submit(path: Path, data: Path) -> None:
    done("submit", "--objective", path, "--data", data, "--experience", "none", "--sampler", "random")


def states(database: Database, name: str) -> list[TrialState]:
    return [trial.state for trial in trials_of(database, name)]


def end(process: Process) -> str:
    try:
        return str(process.communicate(timeout=120)[1])
    finally:
        if process.poll() is None:
            kill_group(process)


@pytest.mark.slow
def test_a_machine_with_other_data_is_told_so_and_takes_no_trial(
    database: Database, gates: Path, tmp_path: Path
) -> None:
    """A worker of the study ends at once; a service says it once, and serves the others."""
    flowers, digits = write(tmp_path, "flowers", "flowers"), write(tmp_path, "other", "digits")
    for path in (flowers, digits):
        submit(path, draw(tmp_path / "here", 0))
    there = draw(tmp_path / "there", 1)
    machine = ("--data", there, "--workers", "1", "--device", "cpu")
    refused = search("worker", "--study", "flowers", "--objective", flowers, *machine)
    [line] = [line for line in refused.err.splitlines() if line.startswith("error:")]
    assert (refused.code, "~ data_fingerprint: " in line) == (2, True), refused.err

    service = start("worker", "--allow", flowers, "--allow", digits, "--once", *machine)
    until(lambda: bool(states(database, "other")), "a trial of the other study")
    gates.joinpath("open").touch()
    err = end(service)
    assert service.returncode == 1, "a study is left that cannot be served here"
    assert states(database, "other") == [TrialState.COMPLETE] * 2
    assert states(database, "flowers") == []
    [line] = [line for line in err.splitlines() if "study 'flowers' is left out" in line]
    assert "~ data_fingerprint: " in line


@pytest.mark.slow
@pytest.mark.long
def test_a_worker_takes_no_further_trial_once_its_copy_of_the_data_is_changed(
    database: Database, gates: Path, tmp_path: Path
) -> None:
    """A change of the images themselves does not reach it: it trains on its copy, and the next worker is refused."""
    flowers = write(tmp_path, "flowers", "flowers")
    submit(flowers, data := draw(tmp_path / "here", 0))
    machine: Any = ("--objective", flowers, "--data", data, "--workers", "1", "--device", "cpu")
    worker = start("worker", "--study", "flowers", *machine)
    until(lambda: len(list(gates.glob("begun-*"))) == 1, "the first trial")
    [images] = (tmp_path / "cache" / "data").glob("*/images.npy")
    images.chmod(0o600)
    with images.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x07")
    gates.joinpath("open").touch()
    err = end(worker)
    assert worker.returncode == 1
    assert f"error: the decoded copy {images.parent} was changed while a worker trained on it" in err
    assert "Traceback" not in err
    assert states(database, "flowers") == [TrialState.COMPLETE]

    # Decoded again, the data are the study's.
    gates.joinpath("open").unlink()
    worker = start("worker", "--study", "flowers", *machine)
    until(lambda: len(list(gates.glob("begun-*"))) == 2, "the second trial")
    draw(tmp_path / "here", 1)
    gates.joinpath("open").touch()
    assert "error" not in end(worker)
    assert states(database, "flowers") == [TrialState.COMPLETE] * 2
    done("submit", "--study", "flowers", "--trials", "3", "--data", draw(tmp_path / "again", 0))
    refused = search("worker", "--study", "flowers", *machine)
    assert (refused.code, "data_fingerprint" in refused.err) == (2, True)
