"""`Study` from Python; the tests share one small study and run in the order written."""

from __future__ import annotations

import importlib.util
import json
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from search import Progress, SearchError, Status, Study, UnknownStudy, UsageError, list_studies
from search.api import training
from search.api.arguments import find_reference
from storage.embedded.server import EmbeddedServer
from storage.leasing import beats, workers
from storage.leasing.beats import Beat
from tests.conftest import use_home
from tests.search.cli.test_own_objectives import OWN_MODEL, write
from tests.search.command import done

NAME = "digits-small"


@pytest.fixture(autouse=True)
def home(shared_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    use_home(monkeypatch, shared_home)
    return shared_home


def create(address: str, trials: int | None = None, epochs: int = 2, priority: int | None = None) -> Study:
    return Study.create(
        NAME,
        "digits-depth",
        trials=trials,
        epochs=epochs,
        overrides={"width": "16:32", "optimizer": "adamw"},
        experience="none",
        priority=priority,
        storage=address,
    )


@pytest.fixture
def study(address: str) -> Iterator[Study]:
    with create(address) as study:
        yield study


def test_run_trains_the_budget_and_reports_progress(address: str) -> None:
    seen: list[Progress] = []
    with create(address, trials=2) as study:
        assert "the budget is 2" in study.notes[0]
        status = study.run(workers=1, device="cpu", progress=seen.append)
    assert (status.states.finished, status.budget.left) == (2, 0)
    assert (seen[0].status.budget.left, len(seen[0].trials.finished)) == (2, 0)
    assert (seen[-1].status, len(seen[-1].trials.finished)) == (status, 2)
    assert str(seen[-1]).startswith(f"{NAME}: 2 of 2 trials (")
    assert str(seen[-1]).endswith(" epochs trained, 0 workers")
    assert seen[0].epochs == 2


def test_progress_is_reported_when_something_has_changed(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "REPORT_SECONDS", 0.0)
    session = study._session
    seen: list[Progress] = []
    with training.Reporter(session, seen.append) as reporter:
        reporter()
        assert len(seen) == 1
        worker = workers.new_worker_id()
        beat = Beat(worker=worker, study_id=session.record.study_id, device="cpu")
        beats.send(session.database.engine, beat, None, 60.0)
        reporter()
        assert len(seen) == 2
        time.sleep(0.05)  # the heartbeat grows older, which is no change
        reporter()
        assert len(seen) == 2
        workers.leave(session.database.engine, worker)
    assert len(seen) == 3


def test_status_is_what_the_command_prints(study: Study, address: str) -> None:
    status = study.status()
    printed = done("status", "--study", NAME, "--json", "--storage", address).document
    assert json.loads(json.dumps(status.to_json())) == printed
    assert [json.loads(json.dumps(each.to_json())) for each in list_studies(storage=address)] == [printed]
    with pytest.raises(FrozenInstanceError):
        status.study = "other"  # type: ignore[misc]


def test_trials_and_the_best_one(study: Study) -> None:
    trials, best = study.trials, study.best
    assert [trial.number for trial in trials] == [0, 1]
    assert trials[:1][0] == trials[0]
    assert trials == study.trials
    assert best is not None
    assert best.value == max(trial.value or 0 for trial in trials if trial.state == "complete")
    assert best.accuracies[best.epoch or 0] == best.value
    assert 16 <= int(str(best.params["width"])) <= 32
    assert best.seed is not None
    assert best.seconds is not None
    assert best.seconds > 0
    assert best.epoch is not None
    assert f"trial {best.number} (complete): {best.value:.4f} at epoch {best.epoch + 1};" in str(best)


def test_curves_have_every_metric_of_every_epoch(study: Study) -> None:
    best = study.best
    assert best is not None
    curve = study.curves(best)
    assert curve["accuracy"] == best.accuracies
    assert curve.epochs == tuple(range(len(curve)))
    assert {
        "loss",
        "train_loss",
        "train_accuracy",
        "train_objective",
        "learning_rate",
        "seconds",
    } <= curve.metrics.keys()
    depth = int(str(best.params["depth"]))
    assert [len(network.layers) for network in curve.networks.values()] == [depth + 1]
    assert study.curves(best.number) == curve
    with pytest.raises(UsageError, match="has 2 trials, counted from 0, but got 7"):
        study.curves(7)


@pytest.mark.parametrize("name", ["trials", "curve"])
def test_to_frame_needs_pandas(study: Study, name: str) -> None:
    table = study.trials if name == "trials" else study.curves(0)
    if importlib.util.find_spec("pandas") is None:
        with pytest.raises(SearchError, match="pip install pandas"):
            table.to_frame()
        return
    frame = table.to_frame()
    assert len(frame) == len(table)
    assert {"params_width", "value", "state"} <= set(frame) or list(frame["accuracy"]) == list(
        study.trials[0].accuracies
    )


def test_optunas_own_object_reads_the_same_trials(study: Study) -> None:
    found = study.optuna
    assert [trial.number for trial in found.trials] == [0, 1]
    assert study.best is not None
    assert found.best_value == study.best.value


def test_other_values_are_refused_with_the_difference(address: str) -> None:
    with pytest.raises(UsageError, match="epochs: 2 -> 3"):
        create(address, epochs=3)
    with pytest.raises(UsageError, match="may be raised but not lowered to 1"):
        create(address, trials=1)


def test_the_priority_is_the_last_one_given(address: str, study: Study) -> None:
    with pytest.raises(UsageError, match="from -1000 to 1000, but got 1001"):
        create(address, priority=1001)
    with pytest.raises(UsageError, match="from -1000 to 1000, but got -1001"):
        study.run(priority=-1001)
    with Study.create("urgent", "digits-depth", epochs=2, trials=1, priority=7, storage=address) as new:
        assert new.status().priority == 7
    create(address, priority=3).close()
    assert study.status().priority == 3
    assert study.run(workers=1, device="cpu", priority=-2).priority == -2
    create(address).close()
    assert study.run(workers=1, device="cpu").priority == -2


def test_unknown_names_have_close_matches(address: str) -> None:
    with pytest.raises(UnknownStudy, match=f"did you mean {NAME}"):
        Study.open("digit-small", storage=address)


@pytest.mark.parametrize(
    ("arguments", "message"), [({"workers": 0}, "workers"), ({"device": "cuda:9"}, "cuda:9"), ({"trials": 0}, "trials")]
)
def test_run_refuses_what_breaks_a_rule(study: Study, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        study.run(**arguments)  # type: ignore[arg-type]


def test_a_stopped_study_runs_again_in_any_thread(address: str) -> None:
    ended: list[Status] = []
    with Study.open(NAME, storage=address) as study:
        study.stop()
        assert study.status().control == "stop"
        thread = threading.Thread(target=lambda: ended.append(study.run(trials=3, workers=1, device="cpu")))
        thread.start()
        thread.join()
        assert [status.budget.left for status in ended] == [0]
        assert (ended[0].control, len(study.trials)) == ("run", 3)


def test_an_exception_in_the_callback_ends_the_run(study: Study) -> None:
    def fail(progress: Progress) -> None:
        if progress.status.workers:
            raise ZeroDivisionError

    many = 5000  # more than are trained before a callback sees a worker, which may take a second
    with pytest.raises(ZeroDivisionError):
        study.run(trials=many, workers=1, device="cpu", progress=fail)
    status = study.status()
    assert (status.states.fail, status.workers, status.budget.trials) == (0, (), many)


def test_the_final_score_is_made_once_and_leaves_this_process_unsealed(study: Study, tmp_path: Path) -> None:
    lines: list[str] = []
    first = study.final(out=tmp_path / "out", device="cpu", progress=lines.append)
    assert any("budget is not spent yet" in line for line in lines)
    assert (tmp_path / "out" / "model.safetensors").exists()
    again = study.final(out=tmp_path / "out")
    assert (first.first_time, again.first_time) == (True, False)
    assert first.test_accuracy == again.test_accuracy
    score = study.status().final
    assert score is not None
    assert score.to_json() == {name: value for name, value in again.to_json().items() if name != "first_time"}
    (tmp_path / "t10k-images").write_text("no process but that of the score is kept from this name")
    with pytest.raises(UsageError, match="--confirm-seeds"):
        study.final(confirm_seeds=2)


def test_a_closed_study_says_so(address: str) -> None:
    study = Study.open(NAME, storage=address)
    study.close()
    study.close()
    assert repr(study) == f"<Study '{NAME}', closed>"
    with pytest.raises(UsageError, match=rf"is closed; open it again with Study.open\('{NAME}'\)"):
        study.status()


def test_the_embedded_server_runs_until_the_study_is_closed(home: Path) -> None:
    with Study.create("digits-depth", trials=1):
        assert EmbeddedServer(home).status().running
    assert not EmbeddedServer(home).status().running


def test_an_objective_is_found_by_the_file_that_defines_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "my_objective.py", OWN_MODEL)
    write(tmp_path, "importer.py", "from my_objective import OBJECTIVE")
    monkeypatch.syspath_prepend(tmp_path)
    importer = importlib.import_module("importer")
    try:
        assert find_reference(importer.OBJECTIVE) == str(path)
    finally:
        del sys.modules["importer"], sys.modules["my_objective"]
    shipped = importlib.import_module("objectives.studies.digits_depth")
    assert find_reference(shipped.OBJECTIVE) == "digits-depth"
    with pytest.raises(UsageError, match="is not the OBJECTIVE of any file"):
        find_reference(importer.OBJECTIVE)


BAD_START = """
from torch import nn
from objectives import Objective
from spaces import Categorical, Fixed, Space


def build_model(config):
    hidden = [nn.Linear(64, 64) for _ in range(8)]
    for layer in hidden:
        nn.init.normal_(layer.weight, std=config["deviation"])
        nn.init.zeros_(layer.bias)
    layers = [module for layer in hidden for module in (layer, nn.ReLU())]
    return nn.Sequential(nn.Flatten(), *layers, nn.Linear(64, 10))


OBJECTIVE = Objective(
    data="digits",
    build_model=build_model,
    space=Space(deviation=Categorical(0.001, 5.0), optimizer=Fixed("sgd"), learning_rate=Fixed(0.1)),
    trials=2,
    epochs=2,
)
"""


def test_networks_that_do_not_learn_are_explained(address: str, tmp_path: Path) -> None:
    path = write(tmp_path, "bad_start.py", BAD_START)
    with Study.create(
        "bad-start", path, sampler="random", pruner="none", seed=1, experience="none", storage=address
    ) as study:
        status = study.run(workers=1, device="cpu")
        trials = {trial.params["deviation"]: trial for trial in study.trials}
        assert (trials[5.0].reason, trials[5.0].accuracies) == ("diverged", ())
        kinds = {deviation: [fault.kind for fault in trial.diagnosis] for deviation, trial in trials.items()}
        assert kinds == {0.001: ["vanishing"], 5.0: ["exploding"]}
        assert status.faults == {"vanishing": 1, "exploding": 1}
        assert [one.faults for one in status.diagnoses] == [trial.diagnosis for trial in study.trials]
        assert 0 in study.curves(trials[0.001].number).networks
    printed = done("status", "--study", "bad-start", "--storage", address).out
    assert f"trial {trials[5.0].number}: exploding gradients: the loss is" in printed
    assert "the best trial did not learn, either: vanishing gradients: no layer gets a gradient above 1e-06" in printed
