"""Same seed, same trial; other data, no trial."""

from __future__ import annotations

import socket
from pathlib import Path

import optuna
import pytest
from optuna.storages import RDBStorage

from tests.objectives.data import made
from tests.search.cli.test_own_objectives import write
from tests.search.command import done, search
from tests.search.workers.test_seal import FLOWERS

MISBEHAVES = """
    import torch
    from torch import nn

    from objectives.core.objective import Objective
    from spaces import Int, Space


    def train(config, data, report):
        report(0, {"accuracy": 0.5})
        if config.kind == 0:
            report(1, {"accuracy": float("nan")})
        if config.kind == 1:
            torch.empty(2**60)
        return nn.Identity()


    OBJECTIVE = Objective(data="digits", train=train, epochs=3, trials=6, space=Space(kind=Int(0, 2)))
"""


@pytest.fixture
def address(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("SEARCH_STORAGE", database_url)
    return database_url


@pytest.mark.slow
@pytest.mark.long
def test_the_same_seed_gives_the_same_curves_bit_for_bit(address: str) -> None:
    def curves(study: str, seed: int) -> list[tuple[object, ...]]:
        flags = ("--epochs", "3", "--trials", "3", "--workers", "1", "--pruner", "none", "--seed", str(seed))
        done("run", "--study", study, "--objective", "digits-depth", *flags)
        trials = optuna.load_study(study_name=study, storage=RDBStorage(address)).get_trials()
        return [(t.params, t.intermediate_values, t.user_attrs["seed"]) for t in trials]

    first = curves("one", 7)
    assert curves("two", 7) == first
    assert curves("three", 8) != first


@pytest.mark.slow
def test_a_study_does_not_continue_with_other_data(address: str, tmp_path: Path) -> None:
    path = write(tmp_path, "flowers.py", FLOWERS)
    folder = tmp_path / "data" / "flowers" / "train"
    made.write_folders(folder, made.part(3, 20, (6, 6, 3)), ["rose", "tulip", "violet"])
    run = ("run", "--objective", path, "--data", tmp_path / "data", "--workers", "1")
    done(*run)
    made.write_folders(folder, made.part(3, 20, (6, 6, 3), seed=9), ["rose", "tulip", "violet"])
    refused = search(*run, "--trials", "3")
    assert refused.code == 2
    assert "data_fingerprint" in refused.err


@pytest.mark.slow
def test_what_a_configuration_does_to_itself_costs_a_slot_and_has_a_reason(address: str, tmp_path: Path) -> None:
    path = write(tmp_path, "misbehaves.py", MISBEHAVES)
    done("run", "--objective", path, "--sampler", "random", "--workers", "1", "--pruner", "none")
    shown = done("status", "--study", "misbehaves", "--json").document
    assert (shown["states"]["fail"], shown["budget"]["left"]) == (0, 0)
    trials = optuna.load_study(study_name="misbehaves", storage=RDBStorage(address)).get_trials()
    reasons = {trial.params["kind"]: trial.user_attrs.get("reason") for trial in trials}
    assert reasons == {0: "diverged", 1: "out of memory", 2: None}
    for trial in trials:
        bad = trial.params["kind"] < 2
        assert trial.constraints == ({"feasible": 1.0} if bad else {})
        assert (trial.state == optuna.trial.TrialState.PRUNED) == bad
        assert list(trial.intermediate_values.values()) == [0.5]
        assert (trial.user_attrs["device"], trial.user_attrs["best_epoch"]) == ("cpu", 0)
        assert trial.user_attrs["host"] == socket.gethostname()


@pytest.mark.slow
def test_an_enqueued_trial_that_does_not_fit_fails_alone(address: str) -> None:
    """Any tool may enqueue anything; it must not block the study."""
    run = ("run", "--study", "digits-depth", "--epochs", "1", "--workers", "1")
    done(*run, "--trials", "1")
    study = optuna.load_study(study_name="digits-depth", storage=RDBStorage(address))
    study.enqueue_trial({"depth": 99})
    study.enqueue_trial({"depth": 2})
    done(*run, "--trials", "3")
    states = [trial.state.name for trial in study.get_trials()]
    assert states[1] == "FAIL"
    assert "depth" in study.get_trials()[1].user_attrs["error"]
    assert study.get_trials()[2].params["depth"] == 2
    assert study.get_trials()[2].user_attrs["parameters"] > 100
    assert study.get_trials()[2].user_attrs["epoch_seconds"] > 0
    assert len([state for state in states if state in ("COMPLETE", "PRUNED")]) == 3
