"""How many trials a study has whose configurations have several, or come from a grid."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from search.errors import UsageError
from search.strategies.budgets import check_grid, choose_trials, share_slots
from search.strategies.foresight import foresee_none
from search.strategies.registry import find_pruner
from spaces import Categorical, Float, Int, Space, SpaceError
from storage.leasing.repeats import SharedSlots

SPACE = Space(depth=Int(1, 4), kind=Categorical({"a": Space(x=Float(0, 1)), "b": Space()}))


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The options that decide."""

    sampler: str = "random"
    points: int | None = None
    repeats: int = 1


GRID = Plan(sampler="grid", points=5, repeats=3)


@pytest.mark.parametrize(
    ("plan", "asked", "default", "trials"),
    [
        (Plan(), None, 30, 30),
        (Plan(), 7, 30, 7),
        (Plan(), None, None, None),
        (Plan(repeats=3), 24, 30, 24),
        (Plan(repeats=4), None, 30, 32),
        (Plan(repeats=4), None, None, None),
        (GRID, None, 30, 4 * 6 * 3),
        (GRID, None, None, 4 * 6 * 3),
        (GRID, 9, 30, 9),
    ],
)
def test_the_budget_is_what_is_asked_for_or_the_grid_or_the_default_in_whole_configurations(
    plan: Plan, asked: int | None, default: int | None, trials: int | None
) -> None:
    assert choose_trials(plan, SPACE, asked, default) == trials


@pytest.mark.parametrize(
    ("plan", "asked", "sentence"),
    [
        (Plan(repeats=3), 10, "must be a multiple of --repeats 3, but got 10; give 9 or 12"),
        (Plan(repeats=3), 2, "must be a multiple of --repeats 3, but got 2; give 3"),
        (GRID, 75, "the grid has 24 configurations of 3 repeats, 72 trials in all, but got --trials 75"),
        (Plan(sampler="grid", points=1), 9, "the grid has 2 configurations, 2 trials in all, but got --trials 9"),
    ],
)
def test_a_budget_of_part_of_a_configuration_or_beyond_the_grid_is_refused(
    plan: Plan, asked: int, sentence: str
) -> None:
    with pytest.raises(UsageError) as refused:
        choose_trials(plan, SPACE, asked, 30)
    assert sentence in str(refused.value)


def test_a_grid_is_finite_and_not_too_large() -> None:
    check_grid(GRID, SPACE)
    with pytest.raises(SpaceError, match=r"finitely many values, but a\.x is any number in 0\.0:1\.0; .*--points 5"):
        check_grid(Plan(sampler="grid"), SPACE)
    with pytest.raises(UsageError, match="the grid has 1003003001 configurations, and at most 10000"):
        check_grid(Plan(sampler="grid"), Space({name: Int(0, 1000) for name in "abc"}))
    with pytest.raises(UsageError, match="--points 5 is for --sampler grid, but the study has --sampler random"):
        check_grid(Plan(points=5), SPACE)


def test_slots_are_shared_with_repeats_and_in_a_grid() -> None:
    assert share_slots(Plan()) == SharedSlots()
    assert not share_slots(Plan()).are_shared
    assert share_slots(Plan(repeats=2)).are_shared
    assert share_slots(Plan(sampler="grid", points=1)) == SharedSlots(keeps_failed=True)


def test_repeats_cost_what_their_configurations_do_as_often() -> None:
    one = foresee_none(8, 12)
    repeated = find_pruner("none").choose_foresight(24, 3)(24, 12)
    assert (repeated.full_trainings, repeated.complete) == (3 * one.full_trainings, 3 * one.complete)
