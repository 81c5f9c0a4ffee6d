"""The main job from end to end on the embedded server: run, look, raise the budget, refuse, score once.

The tests of this file share one study and run in the order written.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from safetensors import safe_open

from tests.conftest import use_home
from tests.search.command import Ended, done, finished, search

STUDY = "digits-depth"
TRIALS = 8


@pytest.fixture(autouse=True)
def home(shared_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    use_home(monkeypatch, shared_home)
    return shared_home


@pytest.fixture(scope="module")
def first_run(shared_home: Path) -> Ended:
    environment = {"SEARCH_HOME": str(shared_home), "SEARCH_CACHE": str(shared_home / "cache")}
    return done("run", "--study", STUDY, "--trials", str(TRIALS), "--epochs", "6", "--workers", "2", env=environment)


def status() -> dict[str, object]:
    document: dict[str, object] = done("status", "--study", STUDY, "--json").document
    return document


def test_run_trains_the_budget_and_prints_the_best(first_run: Ended) -> None:
    lines = first_run.out.splitlines()
    assert sum(line.startswith("trial ") for line in lines) == TRIALS
    assert any(line.startswith("best validation accuracy 0.") for line in lines)
    assert lines[-1] == f"next: search final --study {STUDY}"
    assert "study digits-depth: 8 trials of up to 6 epochs: about " in first_run.err
    assert "training on 1,150 + 288 images of digits; starting 2 workers on cpu" in first_run.err


def test_status_has_the_agreed_shape(first_run: Ended) -> None:
    shown = done("status", "--study", STUDY, "--json").document
    assert (shown["study"], shown["objective"], shown["direction"]) == (STUDY, STUDY, "maximize")
    assert set(shown["states"]) == {"complete", "pruned", "running", "waiting", "fail"}
    assert finished(shown) == TRIALS
    assert (shown["states"]["running"], shown["states"]["fail"]) == (0, 0)
    assert shown["states"]["complete"] >= 1
    assert shown["budget"] == {"trials": TRIALS, "left": 0, "epochs": None}
    assert sum(shown["reasons"].values()) == shown["states"]["pruned"]
    assert TRIALS < shown["epochs_trained"] <= 6 * TRIALS
    assert set(shown["best"]) == {"trial", "value", "epoch", "params", "machines"}
    assert 0.3 < shown["best"]["value"] <= 1
    assert shown["best"]["params"].keys() >= {"depth", "width", "dropout", "optimizer", "schedule"}
    assert shown["workers"] == []
    assert shown["final"] is None


def test_list_shows_the_study(first_run: Ended) -> None:
    [shown] = done("list", "--json").document
    assert (shown["study"], finished(shown)) == (STUDY, TRIALS)
    assert f"{TRIALS}/{TRIALS}" in done("list").out


def test_a_finished_study_is_not_trained_again(first_run: Ended) -> None:
    before = status()
    again = done("run", "--study", STUDY)
    assert not any(line.startswith("trial ") for line in again.out.splitlines())
    assert status() == before


def test_the_budget_may_be_raised_and_not_lowered(first_run: Ended) -> None:
    done("resume", "--study", STUDY, "--trials", str(TRIALS + 2), "--workers", "2")
    shown = status()
    assert shown["budget"] == {"trials": TRIALS + 2, "left": 0, "epochs": None}
    lowered = search("run", "--study", STUDY, "--trials", "3")
    assert lowered.code == 2
    assert "may be raised but not lowered to 3" in lowered.err
    assert status() == shown


@pytest.mark.parametrize(
    ("flags", "difference"),
    [
        (["--epochs", "9"], "epochs: 6 -> 9"),
        pytest.param(["--seed", "5"], "seed: 0 -> 5", marks=pytest.mark.long),
        (["--set", "width=8:64"], "width: 8:256 log -> 8:64 log"),
        (["--set", "optimizer=adamw"], "nesterov.momentum"),
        pytest.param(["--train-examples", "500"], "train_examples: None -> 500", marks=pytest.mark.long),
        pytest.param(["--sampler", "random"], "sampler: curves -> random", marks=pytest.mark.long),
        pytest.param(["--pruner", "none"], "pruner: rank -> none", marks=pytest.mark.long),
        (["--objective", "cifar-depth"], "cifar-depth"),
    ],
)
def test_other_values_are_refused_with_the_difference(first_run: Ended, flags: list[str], difference: str) -> None:
    refused = search("run", "--study", STUDY, *flags)
    assert refused.code == 2
    assert difference in refused.err
    assert [line[:6] for line in refused.err.splitlines()] == ["note: ", "error:"]
    assert refused.out == ""


def test_what_it_was_created_with_is_stored(first_run: Ended) -> None:
    from search.connection import open_storage
    from search.settings import load
    from storage.records import studies

    with open_storage(load()) as database:
        spec = studies.get(database.engine, STUDY).spec
    assert spec["space_digest"] == done("space", "--study", STUDY, "--json").document["digest"]
    assert (spec["epochs"], spec["seed"], spec["dataset"]) == (6, 0, "digits")
    assert len(spec["data_fingerprint"]) == len(spec["split_fingerprint"]) == 64
    assert spec["objective_hash"].startswith("declared:")
    assert spec["policy"] == "curves/6+rank/5"
    assert spec["versions"].keys() >= {"python", "torch", "optuna", "depthsearch"}


def test_every_epoch_is_recorded(first_run: Ended) -> None:
    import optuna

    from search.connection import open_storage
    from search.settings import load
    from storage.records import epochs

    with open_storage(load()) as database:
        for trial in optuna.load_study(study_name=STUDY, storage=database.optuna).get_trials():
            rows = epochs.read_curve(database.engine, trial._trial_id)
            assert [row["epoch"] for row in rows] == sorted(trial.intermediate_values)
            assert {row["epoch"]: row["accuracy"] for row in rows} == trial.intermediate_values
            for row in rows:
                assert row["seconds"] > 0
                assert row["loss"] > 0
                assert row["learning_rate"] >= row["learning_rate_end"] >= 0
            if trial.state == optuna.trial.TrialState.COMPLETE:
                assert trial.value == max(trial.intermediate_values.values())


def test_two_finals_at_once_are_one_score(first_run: Ended, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def final(number: int) -> Ended:
        return done("final", "--study", STUDY, "--json", "--out", out / str(number))

    with ThreadPoolExecutor() as pool:
        documents = [ended.document for ended in pool.map(final, range(2))]
    assert sorted(document["first_time"] for document in documents) == [False, True]
    third = done("final", "--study", STUDY, "--json", "--out", out / "2").document
    assert third["first_time"] is False
    for document in (*documents, third):
        document.pop("first_time")
    assert documents[0] == documents[1] == third
    assert {path.name for path in out.iterdir()} & {"0", "1", "2"} <= {"0", "1"}
    _check_result(third)
    folder = next(path for path in out.iterdir() if (path / "README.md").exists())
    _check_files(folder, third)
    assert status()["final"] == third
    assert "the test set was not opened again" in done("final", "--study", STUDY).out


def _check_result(result: dict[str, object]) -> None:
    agreed = {
        "study",
        "trial",
        "params",
        "validation_accuracy",
        "test_accuracy",
        "test_interval_95",
        "test_examples",
        "epochs",
        "seed",
        "weights_sha256",
        "scored_at",
        "look",
    }
    assert result.keys() >= agreed
    low, high = result["test_interval_95"]  # type: ignore[misc]
    assert 0 <= low < result["test_accuracy"] < high <= 1
    assert result["test_examples"] == 359
    assert result["look"] == 1


def _check_files(folder: Path, result: dict[str, object]) -> None:
    import hashlib

    weights = folder / "model.safetensors"
    assert hashlib.sha256(weights.read_bytes()).hexdigest() == result["weights_sha256"]
    with safe_open(weights, framework="numpy") as tensors:
        assert "output.weight" in tensors.keys()  # noqa: SIM118
    stored = json.loads((folder / "config.json").read_text())
    assert stored["configuration"]["depth"] == result["params"]["depth"]  # type: ignore[index]
    card = (folder / "README.md").read_text()
    assert f"{result['test_accuracy']:.4f} on 359 images, scored once" in card
