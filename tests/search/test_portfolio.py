"""The studies that ship: what they hold, how they are made, and that a first study learns from them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from objectives.core.discovery import find
from search import experience, portfolio
from search.policy.encoding import Encoding
from search.policy.experience import FEWEST_TRIALS, learn
from search.portfolio.__main__ import MOST, collected, thinned
from storage import url
from storage.database import Database, opened
from tests.search.earlier import OBJECTIVE, make, planned, random_trials

SPACE = find(OBJECTIVE).objective.space


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with opened(url.parse(database_url)) as database:
        yield database


def test_something_ships() -> None:
    assert "digits-depth" in portfolio.names()


@pytest.mark.parametrize("name", portfolio.names())
def test_what_ships_lies_in_its_objective_s_space_and_teaches_it(name: str) -> None:
    stored = json.loads((portfolio.FOLDER / f"{name}.json").read_text())
    objective = find(stored["objective"]).objective
    assert (stored["dataset"], stored["epochs"]) == (objective.data, objective.epochs)
    study = portfolio.read(name)
    assert FEWEST_TRIALS <= len(study.trials) <= MOST
    for parameters, curve in study.trials:
        objective.space.replay(parameters)
        assert 1 <= len(curve) <= objective.epochs
        assert all(0 <= accuracy <= 1 for accuracy in curve)
    learnt = learn(Encoding(objective.space), [study])
    assert learnt is not None
    assert learnt.starts


def test_the_first_study_of_a_storage_learns_from_it(database: Database) -> None:
    taught = experience.choose(database.engine, SPACE, None)
    assert taught is not None
    assert "portfolio:digits-depth" in taught
    assert experience.choose(database.engine, SPACE, "none") is None
    make(database, planned("any"), "old", random_trials(SPACE, 12))
    both = experience.choose(database.engine, SPACE, None)
    assert both is not None
    assert list(both)[:-1] == list(taught)  # the storage's own comes last, as the latest
    assert experience.choose(database.engine, SPACE, "shipped") == taught


def test_a_study_is_made_of_the_best_trials_and_some_others(database: Database, tmp_path: Path) -> None:
    for name, seed in (("one", 0), ("two", 1)):
        make(database, planned("any"), name, random_trials(SPACE, 12, seed=seed))
    command = [sys.executable, "-m", "search.portfolio", "--name", "mine", "--study", "one", "--study", "two"]
    options = ["--storage", database.url.render_as_string(hide_password=False), "--out", str(tmp_path)]
    result = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    made = json.loads((tmp_path / "mine.json").read_text())
    assert made["objective"] == OBJECTIVE
    assert len(made["trials"]) == len(collected(database, ["one", "two"])["trials"]) == 24
    reached = [max(trial["accuracies"]) for trial in made["trials"]]
    assert reached == sorted(reached, reverse=True)


def test_thinning() -> None:
    trials = [({"x": number}, [number / 100]) for number in range(100)]
    kept = [int(parameters["x"]) for parameters, _ in thinned(trials, 20)]
    assert kept[:10] == list(range(99, 89, -1))
    assert kept[10:] == list(range(89, 0, -9))
