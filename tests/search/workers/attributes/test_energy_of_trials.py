"""The energy of trials that are interrupted: real workers on a pretended GPU, which takes what their training says."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import optuna
import pytest
from optuna.storages import RDBStorage

from tests.search.cli.test_own_objectives import write
from tests.search.command import done, start, until

# Read by each worker before it trains: from then on its device has a counter, the content of a file.
TRAINS = """
    import os
    import signal
    import time
    from pathlib import Path

    from torch import nn

    from objectives.core.objective import Objective
    from search.evaluation import final_step
    from search.workers import context, trial
    from search.workers.machine import energy
    from spaces import Int, Space

    FOLDER = Path(os.environ["ENERGY_FOLDER"])
    COUNTER = FOLDER / "counter"
    context.read_uuids = final_step.read_uuids = lambda device: ("GPU-made-up",)
    energy.LEAST_SECONDS = 0.0
    energy.find_nvidia_counter = lambda uuid: lambda: int(COUNTER.read_text())


    read_curve = trial.read_curve


    def count_reading(*given):
        with (FOLDER / "readings").open("a") as file:
            file.write("+")
        return read_curve(*given)


    trial.read_curve = count_reading


    def spend(watt_hours):
        COUNTER.write_text(str(int(COUNTER.read_text()) + int(watt_hours * energy.MILLIJOULES)))


    def is_first(what):
        try:
            (FOLDER / what).touch(exist_ok=False)
            return True
        except FileExistsError:
            return False


    def train(config, data, report):
        for epoch in range(3):
            spend(1.0)
            if epoch == 1 and is_first("killed"):
                while not (FOLDER / "stored").exists():
                    time.sleep(0.01)
                os.kill(os.getpid(), signal.SIGKILL)
            if epoch == 1 and is_first("ended"):
                os.kill(os.getpid(), signal.SIGTERM)
            try:
                report(epoch, {"accuracy": 0.5 + epoch / 10})
            except BaseException:
                spend(0.25)
                raise
        spend(0.5)
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


    OBJECTIVE = Objective(data="digits", train=train, epochs=3, trials=2, space=Space(kind=Int(0, 9)))
"""


@pytest.fixture
def address(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A storage, for commands whose GPU has a counter in the test's folder."""
    monkeypatch.setenv("SEARCH_STORAGE", database_url)
    monkeypatch.setenv("ENERGY_FOLDER", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    (tmp_path / "counter").write_text("1000")
    return database_url


@pytest.mark.slow
def test_what_every_holder_took_adds_up(address: str, tmp_path: Path) -> None:
    """The first holder is killed in epoch 1, the second asked to end in it, and the third trains to the end."""
    path = write(tmp_path, "trains.py", TRAINS)
    run = start("run", "--objective", path, "--sampler", "random", "--workers", "1", "--pruner", "none")
    until((tmp_path / "killed").exists, "epoch 1 of the first holder")
    study = optuna.load_study(study_name="trains", storage=RDBStorage(address))
    until(lambda: 0 in study.get_trials()[0].intermediate_values, "epoch 0 is stored")
    (tmp_path / "stored").touch()
    _, err = run.communicate(timeout=60)
    assert run.returncode == 0, err
    first, second = study.get_trials()
    # Stored as epoch 0: 1. Lost: the killed one's 1. Epoch 0 again: 1, with epoch 1: 1. Interrupted: 0.25. Epochs 0 and
    # 1 again, with epoch 2: 3. The rest: 0.5.
    assert first.user_attrs["interrupted_wh"] == 0.25
    assert first.user_attrs["energy_wh"] == 1 + 2 + 0.25 + 3 + 0.5
    assert second.user_attrs["energy_wh"] == 3.5
    assert (tmp_path / "readings").read_text() == "+", "once, by the last holder of the first trial"
    shown = done("curves", "--study", "trains", "--metric", "energy_wh", "--json").document
    assert [curve["values"] for curve in shown["trials"]] == [[1.0, 2.0, 3.0], [1.0, 1.0, 1.0]]
    done("export", "--study", "trains", "--format", "trials.csv", "--out", tmp_path / "trials.csv")
    with (tmp_path / "trials.csv").open() as file:
        assert [row["user_attrs_energy_wh"] for row in csv.DictReader(file)] == ["6.75", "3.5"]


@pytest.mark.slow
@pytest.mark.long
def test_the_final_step_is_measured_as_well(address: str, tmp_path: Path) -> None:
    (tmp_path / "killed").touch()
    (tmp_path / "ended").touch()
    done("run", "--objective", write(tmp_path, "trains.py", TRAINS), "--workers", "1", "--pruner", "none")
    assert done("final", "--study", "trains", "--out", tmp_path / "final", "--json").document["energy_wh"] == 3.5
    done("report", "--study", "trains", "--format", "json", "--out", tmp_path / "report")
    [path] = (tmp_path / "report").rglob("*.json")
    cost = json.loads(path.read_text())["cost"]
    assert (cost["energy_kwh"], cost["final_energy_kwh"], cost["unmeasured_epochs"]) == (0.007, 0.0035, 0)
