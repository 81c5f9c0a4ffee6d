"""MLflow, W&B and Trackio themselves, installed in an environment of their own, follow one study that is disturbed.

A worker is killed, then the whole run, which is resumed: each tracker has every epoch once. The tests share the study.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from search import Study, Trials
from search.export.trackers.registry import TRACKERS
from storage.leasing import workers
from tests.conftest import copied, use_home
from tests.search.command import until
from tests.search.export.trackers import readers
from tests.test_architecture import ROOT

# Installing and importing the packages takes minutes.
pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(1800)]

NAME = "mine <img src=x>"
TRIALS, EPOCHS = 3, 8
NAMES = [name for name in TRACKERS if name != "tensorboard"]
SECRET = "geheim-geheim"
OWN = """
import time

from torch import nn

from objectives import Objective
from spaces import Float, Space


def train(config, data, report):
    for epoch in range(config.epochs):
        time.sleep(0.3)
        report(epoch, {"accuracy": 0.5 + config.learning_rate + 0.01 * epoch, "../a <script>": 1.0, "_step": 2.0})
    return nn.Linear(1, 1)


OBJECTIVE = Objective(data="digits", train=train, epochs=3, space=Space(learning_rate=Float(1e-3, 1e-1, log=True)))
"""


@dataclass(frozen=True, kw_only=True)
class Followed:
    """The study after its runs, and what reads the trackers."""

    python: Path
    places: Mapping[str, str]
    trials: Trials
    uuid: str

    def read(self, tracker: str) -> dict[str, Any]:
        words = [self.python, readers.__file__, tracker, self.places[tracker]]
        text = subprocess.run(words, capture_output=True, text=True, check=True, env=os.environ).stdout
        assert SECRET not in text
        found: dict[str, Any] = json.loads(text.splitlines()[-1])
        return found


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the trackers and all that this one has."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    program = folder / "bin" / "python"
    packages = [TRACKERS[name].install for name in NAMES]
    subprocess.run([program, "-m", "pip", "install", "--quiet", *packages], check=True)
    [place] = folder.glob("lib/python*/site-packages")
    here = [str(ROOT), *(path for path in sys.path if path.endswith("site-packages"))]
    (place / "depthsearch.pth").write_text("\n".join(here))
    return program


@pytest.fixture(scope="module")
def address(server: str, template: str) -> Iterator[str]:
    with copied(server, template) as address:
        yield address


@pytest.fixture(scope="module")
def followed(
    python: Path, address: str, shared_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Followed]:
    folder = tmp_path_factory.mktemp("tracked")
    (folder / "mine.py").write_text(OWN)
    places = {
        "mlflow": f"sqlite:///{folder}/mlflow.db",
        "wandb": str(folder),
        "trackio": str(folder / "trackio"),
    }
    with pytest.MonkeyPatch.context() as patch:
        use_home(patch, shared_home)
        for name, value in (
            ("SEARCH_STORAGE", address),
            ("MLFLOW_TRACKING_URI", places["mlflow"]),
            ("WANDB_MODE", "offline"),
            ("WANDB_DIR", places["wandb"]),
            ("WANDB_API_KEY", SECRET),
            ("TRACKIO_DIR", places["trackio"]),
        ):
            patch.setenv(name, value)
        flags = ("--study", NAME, "--objective", "mine.py", "--workers", "1", "--track", ",".join(NAMES))
        first = start(python, folder, "run", *flags, "--trials", str(TRIALS), "--epochs", str(EPOCHS))
        with opened(folder) as study:
            until(lambda: count(study, 0) >= 2, "epochs of trial 0")
            os.kill(find_worker(study), signal.SIGKILL)
            until(lambda: count(study, 1) >= 2, "epochs of trial 1")
            os.kill(first.pid, signal.SIGKILL)
            first.communicate()
            second = start(python, folder, "resume", *flags)
            _, err = second.communicate(timeout=300)
            assert second.returncode == 0, err
            assert "tracker" not in err
            assert study.status().states.complete == TRIALS
            uuid = study._session.record.uuid
            yield Followed(python=python, places=places, trials=study.trials, uuid=uuid)


def start(python: Path, folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [python, "-P", "-m", "search", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def opened(folder: Path) -> Study:
    found: list[Study] = []

    def open_study() -> bool:
        try:
            found.append(Study.open(NAME, objective=folder / "mine.py"))
        except Exception:
            return False
        return True

    until(open_study, "the study")
    return found[0]


def count(study: Study, number: int) -> int:
    trials = study.trials
    return len(trials[number].accuracies) if number < len(trials) else 0


def find_worker(study: Study) -> int:
    [worker] = workers.find_living(study._session.database.engine, study._session.record.study_id, 60.0)
    return int(worker.id.split("/")[2].partition("-")[0])


def check_epochs(followed: Followed, found: Mapping[str, Any], prefix: str = "") -> None:
    """Every epoch of every trial is there once, with its accuracy."""
    for trial in followed.trials:
        told = sorted(found[f"{prefix}trial-{trial.number:04d}"]["epochs"])
        assert told == [[epoch, pytest.approx(value)] for epoch, value in enumerate(trial.accuracies)]
        assert len(told) == EPOCHS


def test_mlflow_has_a_parent_run_and_a_child_run_for_each_trial(followed: Followed) -> None:
    found = followed.read("mlflow")
    parent = found.pop(NAME)
    assert len(found) == TRIALS
    check_epochs(followed, found)
    assert (parent["end"], parent["params"]["dataset"], parent["tags"]["outcome"]) == ("FINISHED", "digits", "finished")
    for trial in followed.trials:
        run = found[f"trial-{trial.number:04d}"]
        assert (run["end"], run["tags"]["mlflow.parentRunId"]) == ("FINISHED", parent["id"])
        assert float(run["params"]["learning_rate"]) == trial.params["learning_rate"]
        assert "accuracy" in run["metrics"]
        assert len(run["metrics"]) == 3


def test_wandb_has_a_run_for_the_study_and_one_for_each_trial(followed: Followed) -> None:
    found = followed.read("wandb")
    assert found.keys() == {NAME, *(f"trial-{number:04d}" for number in range(TRIALS))}
    check_epochs(followed, found)
    assert found[NAME]["exits"] == [1, 0]  # interrupted, then finished
    assert {run["group"].rpartition("-")[2] for run in found.values()} == {followed.uuid[:8]}
    for trial in followed.trials:
        run = found[f"trial-{trial.number:04d}"]
        assert run["exits"][-1] == 0
        assert run["params"]["learning_rate"] == trial.params["learning_rate"]


def test_trackio_has_a_run_for_the_study_and_one_for_each_trial(followed: Followed) -> None:
    found = followed.read("trackio")
    [group] = [name for name in found if "-trial-" not in name]
    assert len(found) == 1 + TRIALS
    check_epochs(followed, found, f"{group}-")
    assert found[group]["end"]["outcome"] == "finished"
    for trial in followed.trials:
        run = found[f"{group}-trial-{trial.number:04d}"]
        assert run["end"]["end_state"] == "complete"
        assert run["params"]["learning_rate"] == trial.params["learning_rate"]
