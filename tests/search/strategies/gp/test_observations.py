"""What the model is fitted to, checked against tables made by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from search.strategies.gp.learning_curves import LearningCurves
from search.strategies.gp.observations import (
    Observations,
    Scoring,
    half_rank_scores,
    normal_scores,
    observe,
    observe_some,
    take_evenly,
)


def curves(*best: list[float], epochs: int = 10) -> LearningCurves:
    padded = np.full((len(best), epochs), np.nan)
    for place, values in enumerate(best):
        padded[place, : len(values)] = values
    count = np.array([len(values) for values in best])
    places = np.arange(len(best))
    return LearningCurves(
        numbers_N=places, units_NP=np.zeros((len(best), 1)), best_NE=padded, epochs_N=count, finished=places
    )


def test_normal_scores_are_quantiles_of_ranks() -> None:
    # Quantiles of the standard normal at 1/6, 1/2 and 5/6.
    values = np.array([30.0, -np.inf, 20.0])
    assert normal_scores(values, values) == pytest.approx([0.967422, -0.967422, 0], abs=1e-6)
    assert normal_scores(values[:1], values) == pytest.approx([0.967422], abs=1e-6)
    assert normal_scores(np.array([1.0, 1.0]), np.array([1.0, 1.0])).tolist() == [0, 0]


def test_half_rank_scores_are_ranks_below_the_median_and_distances_above() -> None:
    # The root mean square of the distances 1 and 7 from the median is 5. Below: quantiles at 1/10 and 3/10.
    values = np.array([3.0, 10.0, -1000.0, 4.0, 2.0])
    assert half_rank_scores(values, values) == pytest.approx([0, 1.4, -1.281552, 0.2, -0.524401], abs=1e-6)
    assert half_rank_scores(values[1:2], values) == pytest.approx([1.4], abs=1e-6)
    # Any scale of values gives the same.
    assert half_rank_scores(1e6 * values - 5, 1e6 * values - 5) == pytest.approx(half_rank_scores(values, values))


def test_half_rank_scores_where_most_trials_broke_down_or_are_equal() -> None:
    # The median of the finite values, 2, is at rank 6 of 7: the quantile at 11/14.
    values = np.array([-np.inf, 1.0, -np.inf, 2.0, -np.inf, -np.inf, 3.0])
    found = half_rank_scores(values, values)
    assert found[3] == pytest.approx(0.791639, abs=1e-6)
    assert found[6] == pytest.approx(0.791639 + 1, abs=1e-6)
    assert found[1] == pytest.approx(normal_scores(values[1:2], values)[0])
    for equal in (np.array([1.0, 1.0]), np.array([-np.inf, -np.inf]), np.array([0.0, 1.0, 1.0])):
        assert half_rank_scores(equal, equal).tolist() == normal_scores(equal, equal).tolist()


def test_rows_are_at_powers_of_three_and_at_the_last_epoch() -> None:
    found = observe(curves([0.1] * 10, [0.2] * 5, [0.3], []), normal_scores)
    pairs = {(int(trial), round(10**time)) for trial, time in zip(found.trial_R, found.time_R, strict=True)}
    assert pairs == {(0, 1), (0, 3), (0, 9), (0, 10), (1, 1), (1, 3), (1, 5), (2, 1)}
    assert found.time_R.min() == 0
    assert found.time_R.max() == 1
    assert found.score_R[found.trial_R == 2] > found.score_R[found.trial_R == 1].max()


def test_of_a_long_training_a_trial_stopped_after_the_first_part_is_one_row() -> None:
    # 1, 3 and 9 parts of 260 / 26 epochs.
    found = observe(curves([0.1] * 260, [0.2] * 10, [0.3] * 4, epochs=260), normal_scores)
    pairs = {(int(trial), round(260**time)) for trial, time in zip(found.trial_R, found.time_R, strict=True)}
    assert pairs == {(0, 10), (0, 30), (0, 90), (0, 260), (1, 10), (2, 4)}


def test_training_of_one_epoch_has_rows_too() -> None:
    found = observe(curves([0.1], [0.2], epochs=1), normal_scores)
    assert found.time_R.tolist() == [0, 0]
    assert found.score_R[1] > found.score_R[0]


def test_thinning_keeps_the_best_half_and_some_of_all_others() -> None:
    score = np.arange(100.0)
    whole = Observations(trial_R=np.arange(100), time_R=np.zeros(100), score_R=score)
    kept = whole.thin(20).score_R
    assert len(kept) == 20
    assert set(range(90, 100)) <= set(kept)
    assert kept.min() == 0
    assert whole.thin(100) is whole


@pytest.mark.parametrize("scoring", [normal_scores, half_rank_scores])
def test_some_observations_are_those_that_thinning_keeps_with_the_same_scores(scoring: Scoring) -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        # Rounded: many values are equal, and the order of equal ones counts.
        best = [sorted(np.round(random.random(random.integers(0, 11)), 1)) for _ in range(60)]
        made = replace(curves(*best, [-np.inf]), means_NE=random.integers(1, 4, (61, 10)).astype(np.float64))
        whole = observe(made, scoring)
        kept, some = whole.thin(40), observe_some(made, 40, scoring)
        for one, other in zip(vars(kept).values(), vars(some).values(), strict=True):
            assert one.tolist() == other.tolist()
        assert some.means_R is not None
        own = {(trial, time) for trial, time in zip(whole.trial_R, whole.time_R, strict=True) if trial == 7}
        more = observe_some(made, 40, scoring, 7)
        assert own <= {*zip(more.trial_R, more.time_R, strict=True)}


def test_evenly_takes_both_ends() -> None:
    assert take_evenly(np.arange(11), 3).tolist() == [0, 5, 10]
    assert take_evenly(np.arange(3), 5).tolist() == [0, 1, 2]
