"""The studies that ship: what they hold, how they are made, and that a first study learns from them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits

from objectives.discovery import find_objective, objective_names
from objectives.models.catalogue import MODELS
from search.strategies.gp.encoding import Encoding
from search.strategies.gp.prior_models import FEWEST_TRIALS, fit_prior_models
from search.study import portfolio, prior_studies
from search.study.make_portfolio import MOST_TRIALS, collect, thin_out
from storage import url
from storage.database import Database, open_database
from tests.portfolio import RECIPES, Recipe
from tests.search.earlier import OBJECTIVE, make, planned, random_trials

SPACE = find_objective(OBJECTIVE).objective.space


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with open_database(url.parse(database_url)) as database:
        yield database


def test_something_ships() -> None:
    assert "digits-depth" in portfolio.list_shipped()


@pytest.mark.parametrize("name", portfolio.list_shipped())
def test_what_ships_lies_in_its_objective_s_space_and_teaches_it(name: str) -> None:
    stored = json.loads((portfolio.FOLDER / f"{name}.json").read_text())
    objective = find_objective(stored["objective"]).objective
    assert stored["dataset"] in (objective.data, "digits")
    study = portfolio.read_shipped(name)
    assert FEWEST_TRIALS <= len(study.trials) <= MOST_TRIALS
    for parameters, curve in study.trials:
        objective.space.replay(parameters)
        assert 1 <= len(curve) <= stored["epochs"] <= objective.epochs
        assert all(0 <= accuracy <= 1 for accuracy in curve)
    with threadpool_limits(1):
        learnt = fit_prior_models(Encoding(objective.space), [study])
    assert learnt is not None
    assert learnt.starts


def test_the_first_study_of_every_shipped_objective_learns_from_one_that_ships(database: Database) -> None:
    spaces = {found.name: found.objective.space for found in map(find_objective, objective_names()) if found.is_shipped}
    assert "cifar-conv" in spaces
    for name, space in spaces.items():
        taught = prior_studies.choose_prior_studies(database.engine, space, None) or {}
        earlier = [portfolio.read_shipped(key.removeprefix(prior_studies.PREFIX)) for key in taught]
        with threadpool_limits(1):
            learnt = fit_prior_models(Encoding(space), earlier)
        assert learnt is not None, f"the first study of {name} starts cold"
        assert learnt.starts


@pytest.mark.parametrize(("name", "recipe"), RECIPES.items())
def test_the_recipe_of_a_shipped_study_is_what_it_was_made_by(name: str, recipe: Recipe) -> None:
    stored = json.loads((portfolio.FOLDER / f"{name}.json").read_text())
    assert (stored["objective"], stored["dataset"], stored["epochs"]) == (recipe.objective, "digits", recipe.epochs)
    assert len(stored["trials"]) <= recipe.trials


def test_a_network_of_each_kind_ships() -> None:
    stored = (json.loads((portfolio.FOLDER / f"{name}.json").read_text()) for name in portfolio.list_shipped())
    models = {find_objective(study["objective"]).objective.model for study in stored}
    assert models == set(MODELS)


def test_the_first_study_of_a_storage_learns_from_it(database: Database) -> None:
    taught = prior_studies.choose_prior_studies(database.engine, SPACE, None)
    assert taught is not None
    assert "portfolio:digits-depth" in taught
    assert prior_studies.choose_prior_studies(database.engine, SPACE, "none") is None
    make(database, planned("any"), "old", random_trials(SPACE, 12))
    both = prior_studies.choose_prior_studies(database.engine, SPACE, None)
    assert both is not None
    assert list(both)[:-1] == list(taught)  # the storage's own comes last, as the latest
    assert prior_studies.choose_prior_studies(database.engine, SPACE, "shipped") == taught


def test_a_study_is_made_of_the_best_trials_and_some_others(database: Database, tmp_path: Path) -> None:
    for name, seed in (("one", 0), ("two", 1)):
        make(database, planned("any"), name, random_trials(SPACE, 12, seed=seed))
    command = [
        sys.executable,
        "-m",
        "search.study.make_portfolio",
        "--name",
        "mine",
        "--study",
        "one",
        "--study",
        "two",
    ]
    options = ["--storage", database.url.render_as_string(hide_password=False), "--out", str(tmp_path)]
    result = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    made = json.loads((tmp_path / "mine.json").read_text())
    assert made["objective"] == OBJECTIVE
    assert len(made["trials"]) == len(collect(database, ["one", "two"])["trials"]) == 24
    reached = [max(trial["accuracies"]) for trial in made["trials"]]
    assert reached == sorted(reached, reverse=True)


def test_thinning() -> None:
    trials = [({"x": number}, [number / 100]) for number in range(100)]
    kept = [int(parameters["x"]) for parameters, _ in thin_out(trials, 20)]
    assert kept[:10] == list(range(99, 89, -1))
    assert kept[10:] == list(range(89, 0, -9))
