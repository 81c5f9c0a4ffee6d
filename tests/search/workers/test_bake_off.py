"""A bake-off by one command: a grid with repeats, killed half way; and a search with repeats that begins with tries."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from objectives.base.seeds import derive_seed
from search import Study
from spaces import SpaceError
from tests.search.command import done, finished, kill_group, search, start, until

# One thing varies freely, one in two values, one below a choice.
FIXED = ("--set", "width=16", "--set", "dropout=0", "--set", "schedule=constant", "--set", "optimizer=nesterov,adamw")
GRID = (
    *("run", "--study", "g", "--objective", "digits-depth", "--epochs", "3", "--sampler", "grid", "--points", "1"),
    *("--repeats", "2", "--pruner", "none", "--workers", "2", "--set", "depth=1,2", *FIXED),
)
CONFIGURATIONS = 4


@pytest.fixture(autouse=True)
def remote(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEARCH_STORAGE", database_url)


def read(address: str, study: str) -> list[FrozenTrial]:
    return optuna.load_study(study_name=study, storage=RDBStorage(address)).get_trials()


def get_status(study: str) -> Any:
    return done("status", "--study", study, "--json").document


@pytest.mark.slow
def test_a_grid_with_repeats_trains_each_point_with_each_seed_once_through_a_kill(database_url: str) -> None:
    process = start(*GRID)
    until(lambda: len(list_studies(database_url)) == 1 and finished(get_status("g")) >= 2, "two trials")
    kill_group(process)
    process.communicate()
    ended = done(*GRID)
    trials = read(database_url, "g")
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 2 * CONFIGURATIONS
    points = [(json.dumps(trial.params, sort_keys=True), trial.user_attrs["repeat"]) for trial in trials]
    assert len(set(points)) == len(points)
    assert {trial.params["optimizer"] for trial in trials} == {"nesterov", "adamw"}
    for trial in trials:
        assert trial.user_attrs["seed"] == derive_seed(0, "repeat", trial.user_attrs["repeat"])
        assert trial.params == trials[trial.user_attrs["configuration"]].params
    shown = get_status("g")
    assert shown["budget"] == {"trials": 8, "left": 0, "epochs": None}
    compared = shown["comparison"]
    assert (compared["compared"], compared["degrees"], compared["repeats"]) == (4, 3, 2)
    means = [one["mean"] for one in compared["configurations"]]
    assert means == sorted(means, reverse=True)
    assert shown["best"]["value"] == means[0]
    assert shown["best"]["trial"] == compared["configurations"][0]["configuration"]
    assert "standard deviation" in ended.out
    assert "Holm's correction for 6 pairs" in ended.out
    refused = search("try", "--study", "g", "--set", "depth=1")
    assert (refused.code, "trains every configuration of its grid" in refused.err) == (2, True)
    more = search(*GRID, "--trials", "10")
    assert (more.code, "the grid has 4 configurations of 2 repeats, 8 trials in all" in more.err) == (2, True)


@pytest.mark.slow
def test_a_search_with_repeats_begins_with_what_its_user_tries(database_url: str, tmp_path: Path) -> None:
    with Study.create(
        "t",
        "digits-depth",
        trials=6,
        epochs=2,
        repeats=2,
        experience="none",
        overrides={"width": "16:32"},
        storage=database_url,
    ) as study:
        assert study.try_({"depth": 1, "optimizer": "adamw"}) == (0,)
        with pytest.raises(SpaceError, match="width must be a number in 16:32 log, but got 64"):
            study.try_({"depth": 1}, {"width": 64})
        enqueued = done("try", "--study", "t", "--set", "depth=2,3", "--set", "width=16", "--json")
        assert [one["trial"] for one in enqueued.document["trials"]] == [1, 2]
        assert enqueued.document["missing"] == 0
        assert done("try", "--study", "t", "--set", "depth=4", "--json").document["missing"] == 2
        done("run", "--study", "t", "--workers", "2")
        trials = study.trials
    assert [trial.params.get("depth") for trial in trials[:3]] == [1, 2, 3]
    assert (trials[0].params["optimizer"], trials[1].params["width"], trials[2].params["width"]) == ("adamw", 16, 16)
    assert [trial.state for trial in trials].count("waiting") == 1
    assert sum(trial.state in ("complete", "pruned") for trial in trials) == 6
    for trial in read(database_url, "t"):
        if trial.state.is_finished():
            assert trial.params == read(database_url, "t")[trial.user_attrs["configuration"]].params
    ended = done("final", "--study", "t", "--json", "--out", tmp_path)
    assert ended.document["trial"] == get_status("t")["best"]["trial"]


def list_studies(address: str) -> list[str]:
    return [one.study_name for one in optuna.get_all_study_summaries(RDBStorage(address))]
