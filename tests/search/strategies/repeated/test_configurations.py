"""Configurations: which trials share one, how it stands, and which of its repeats are missing."""

from __future__ import annotations

import pytest
from optuna.trial import FrozenTrial, TrialState

from objectives.base.seeds import derive_seed
from search.strategies.repeated.configurations import (
    average_curve,
    derive_trial_seed,
    group_trials,
    list_missing,
    rank_configurations,
)
from tests.search.strategies.repeated.made import COMPLETE, FAIL, PRUNED, RUNNING, configuration, member, study_of


@pytest.mark.parametrize(
    ("trials", "state"),
    [
        ([member(0, 0, [0.5])], RUNNING),
        ([member(0, 0, [0.5]), member(0, 1, [0.5]), member(0, 2, [0.5])], COMPLETE),
        ([member(0, 0, [0.5]), member(0, 1, [0.5]), member(0, 1, [0.5])], RUNNING),
        ([member(0, 0, [0.5]), member(0, 1, [0.5], PRUNED), member(0, 2, [0.5], RUNNING)], PRUNED),
        ([member(0, 0, [0.5], FAIL)], FAIL),
        ([member(0, 0, [0.5], FAIL), member(0, 1, [0.5])], RUNNING),
        ([member(0, 0, [0.5], repeats=1)], COMPLETE),
    ],
)
def test_a_configuration_is_complete_in_all_repeats_or_stopped_in_one(
    trials: list[FrozenTrial], state: TrialState
) -> None:
    assert configuration(0, *trials).state == state


def test_its_curve_is_the_mean_of_those_that_reached_the_epoch() -> None:
    group = configuration(
        0, member(0, 0, [0.2, 0.4, 0.9]), member(0, 1, [0.4, 0.8], RUNNING), member(0, 2, [0.0, 0.0], FAIL)
    )
    assert dict(average_curve(group)) == pytest.approx({0: 0.3, 1: 0.6, 2: 0.9})
    assert dict(group.reports) == {0: 2, 1: 2, 2: 1}
    assert group.mean == 0.9


def test_the_best_configuration_has_the_highest_mean_of_all_its_repeats() -> None:
    study = study_of(
        *(member(0, repeat, [value]) for repeat, value in enumerate((0.7, 0.8, 0.75))),
        *(member(3, repeat, [value]) for repeat, value in enumerate((0.99, 0.5, 0.5))),
        *(member(6, repeat, [0.95]) for repeat in range(2)),
        *(member(8, repeat, [value]) for repeat, value in enumerate((0.8, 0.8, 0.8))),
    )
    ranked = rank_configurations(study.trials)
    assert [(group.number, group.mean) for group in ranked] == [
        (8, pytest.approx(0.8)),
        (0, pytest.approx(0.75)),
        (3, pytest.approx(0.6633333)),
    ]
    assert ranked[0].first.number == 8


def test_missing_repeats_are_those_that_nobody_trains() -> None:
    study = study_of(
        member(0, 0, [0.5]),
        member(0, 1, [0.5], FAIL),
        member(0, 2, [0.5], RUNNING),
        member(3, 0, [0.5], FAIL),
        member(4, 0, [0.5]),
    )

    def found(*, keeps_failed: bool) -> list[tuple[int, int]]:
        missing = list_missing(study.trials, 3, keeps_failed=keeps_failed)
        return [(one.configuration, one.repeat) for one in missing]

    assert found(keeps_failed=False) == [(0, 1), (4, 1), (4, 2)]
    assert found(keeps_failed=True) == [(0, 1), (3, 0), (3, 1), (3, 2), (4, 1), (4, 2)]
    # Nobody knows the parameters of a trial that has just been claimed.
    begun = study_of()
    begun.ask()
    assert list_missing(begun.trials, 3, keeps_failed=True) == []
    assert [group.state for group in group_trials(begun.trials)] == [RUNNING]


def test_seeds_are_paired_between_configurations_and_a_trials_own_without_repeats() -> None:
    study = study_of(*(member(first, repeat, [0.5]) for first in (0, 3) for repeat in range(3)))
    seeds = [derive_trial_seed(7, trial, 3) for trial in study.trials]
    assert seeds[:3] == seeds[3:]
    assert len(set(seeds)) == 3
    assert [derive_trial_seed(7, trial, 1) for trial in study.trials] == [derive_seed(7, number) for number in range(6)]
