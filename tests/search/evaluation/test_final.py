"""What the final step says of a score that was made earlier."""

from __future__ import annotations

from dataclasses import replace

import pytest

from search.evaluation.final import describe_better
from search.study.status_types import BestTrial
from tests.search.display.test_final_report import FIRST

SCORED = replace(FIRST, confirmation=None)


def test_a_better_trial_is_named_with_what_scores_it() -> None:
    said = describe_better(SCORED, BestTrial(trial=7, value=0.9, epoch=3, params={}))
    assert said is not None
    assert "trial 1; trial 7 (0.9000) is better by now" in said
    assert said.endswith("add --reopen REASON")


@pytest.mark.parametrize("best", [None, BestTrial(trial=1, value=SCORED.validation_accuracy, epoch=0, params={})])
def test_nothing_is_said_while_the_scored_trial_is_the_best(best: BestTrial | None) -> None:
    assert describe_better(SCORED, best) is None


def test_a_winner_that_was_confirmed_was_chosen_on_more_than_its_value() -> None:
    assert describe_better(FIRST, BestTrial(trial=7, value=0.9, epoch=3, params={})) is None
