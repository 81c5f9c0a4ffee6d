"""Importances, where it is known what decides."""

from __future__ import annotations

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import FrozenTrial, create_trial

from search.errors import NothingToDo
from search.report.importances import measure_importances, rank_parameters


def make_trials(count: int) -> list[FrozenTrial]:
    """Trials whose value is the one parameter that comes last by name."""
    draws = np.random.default_rng(1).uniform(size=(count, 3)).tolist()
    names = ("a", "b", "z")
    ranges = {name: FloatDistribution(0.0, 1.0) for name in names}
    return [
        create_trial(value=row[2], params=dict(zip(names, row, strict=True)), distributions=ranges) for row in draws
    ]


def test_what_decides_comes_first_with_its_spread() -> None:
    found = measure_importances(make_trials(100), "s")
    assert (found[0].name, found[0].share > 0.9) == ("z", True)
    assert sum(each.share for each in found) == pytest.approx(1.0)
    assert all(0.0 <= each.low <= each.high <= 1.0 for each in found)
    assert found[0].low > found[1].high
    assert found == measure_importances(make_trials(100), "s")
    assert rank_parameters(make_trials(100))[0] == "z"


def test_few_trials_say_nothing_about_importances() -> None:
    with pytest.raises(NothingToDo, match=r"need 20 completed trials, but study 's' has 19"):
        measure_importances(make_trials(19), "s")
    assert rank_parameters(make_trials(19)) == ["a", "b", "z"]
    assert rank_parameters(make_trials(1)) == []


def test_a_choice_that_the_best_have_as_often_as_all_has_no_share() -> None:
    """Of 60 trials the best 6 all have `a` = 1, as 24 of all do, and 3 of them `b` = 1, as 30 of all do."""
    choices = CategoricalDistribution([0, 1])
    trials = [
        create_trial(
            value=1.0 + number / 100 if number < 6 else number / 100,
            params={"a": 1 if number < 6 or number % 4 == 0 or number % 12 == 6 else 0, "b": number % 2},
            distributions={"a": choices, "b": choices},
        )
        for number in range(60)
    ]
    found = measure_importances(trials, "s")
    assert [(each.name, each.share) for each in found] == [
        ("a", pytest.approx(1.0)),
        ("b", pytest.approx(0.0, abs=1e-9)),
    ]
