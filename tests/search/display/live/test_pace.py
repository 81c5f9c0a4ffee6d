"""What the live view says of a study's pace, computed by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from search.display.formats import format_seconds
from search.display.live.pace import Pace, count_saved, estimate_epochs_left, format_rate
from search.study.status_types import Budget, TrialCounts
from search.study.trials import Trials
from tests.search.display.live.test_live_table import RUNNING, STATUS, make_progress


def test_a_pace_is_what_was_seen_lately_and_before_that_what_workers_measured() -> None:
    status = make_progress(2).status  # two workers, two seconds an epoch each
    pace = Pace()
    pace.observe(100.0, 40)
    assert pace.estimate(status) == 1.0
    assert pace.estimate(STATUS) is None
    pace.observe(110.0, 44)
    assert pace.estimate(status) == 1.0  # four epochs are too few
    pace.observe(120.0, 50)
    assert pace.estimate(status) == 0.5
    pace.observe(260.0, 330)  # what is older than two minutes no longer counts
    assert pace.estimate(status) == 2.0


@pytest.mark.parametrize(
    ("finished", "left", "epoch_budget", "expected"),
    [
        (2, 3, None, 3 * 8 - 2),  # few have finished: each further one is taken to need all 8 epochs
        (4, 3, None, 3 * 4.5 - 2),  # (20 - 2) epochs over 4 trials
        (4, 0, None, 0),
        (4, 3, 25, 5),  # the budget of epochs ends first
        (4, None, 1000, 980),
        (9, 1, None, 6),  # the last one has had as many as the mean, two: it may go on to its eighth
    ],
)
def test_epochs_left(finished: int, left: int | None, epoch_budget: int | None, expected: float) -> None:
    progress = make_progress(1)  # one running trial, with two epochs
    status = replace(
        progress.status,
        states=TrialCounts(complete=finished, pruned=0, running=1, waiting=0, fail=0),
        budget=Budget(trials=None if left is None else finished + left, left=left, epochs=epoch_budget),
        epochs_trained=20,
    )
    assert estimate_epochs_left(replace(progress, status=status)) == expected


def test_saved_epochs_are_those_that_the_pruner_stopped() -> None:
    stopped = replace(RUNNING, state="pruned", reason="pruner", accuracies=(0.5,) * 3)
    others = [replace(stopped, reason="diverged"), replace(stopped, state="complete", reason=None), RUNNING]
    assert count_saved(replace(make_progress(0), trials=Trials([stopped, stopped, *others]))) == 10


def test_rates_and_seconds_have_a_unit_and_digits_that_suit_them() -> None:
    assert [format_rate(rate) for rate in (123.4, 8.25, 1.0, 0.5, 0.02, 0.001)] == [
        "123 epochs/s",
        "8.2 epochs/s",
        "1.0 epochs/s",
        "30 epochs/min",
        "1.2 epochs/min",
        "3.6 epochs/h",
    ]
    assert [format_seconds(seconds) for seconds in (0.034, 9.994, 9.996, 99.96, 4321.0)] == [
        "0.03",
        "9.99",
        "10.0",
        "100",
        "4321",
    ]
