"""How far each earlier study is believed, on trials whose true order is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from search.strategies.gp.encoding import Encoding
from search.strategies.gp.learning_curves import LearningCurves
from search.strategies.gp.observations import half_rank_scores
from search.strategies.gp.posterior import ENOUGH_TO_DOUBT, PosteriorCache
from search.strategies.gp.prior_models import PriorStudy, fit_prior_models
from search.strategies.gp.study_weights import compare_pairs, weigh_studies
from tests.search.strategies.gp.test_posterior import BEST, curves
from tests.search.strategies.gp.test_prior_models import SPACE
from tests.search.strategies.gp.test_prior_models import study as earlier

RIGHT = earlier((float(BEST[0]), float(BEST[1])), seed=1)


def reverse(study: PriorStudy) -> PriorStudy:
    """A study in which the worst configurations were the best."""
    return replace(study, trials=[(values, [1 - value for value in curve]) for values, curve in study.trials])


def truth(known: LearningCurves) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return known.best_N


def test_a_study_that_ranks_in_reverse_loses_its_share_and_a_right_one_keeps_its_own() -> None:
    encoding, known = Encoding(SPACE), curves(18)
    features = encoding.features(known.units_NP)
    posterior_cache = PosteriorCache(encoding, fit_prior_models(encoding, [RIGHT, reverse(RIGHT)]), half_rank_scores)
    belief = posterior_cache.fit(known, features, np.random.default_rng(0)).belief_K
    assert belief is not None
    assert belief[0] > 0.95
    assert belief[1] < 0.05


def test_few_trials_do_not_discredit_a_study() -> None:
    encoding, known = Encoding(SPACE), curves(ENOUGH_TO_DOUBT - 1)
    features = encoding.features(known.units_NP)
    posterior_cache = PosteriorCache(encoding, fit_prior_models(encoding, [RIGHT, reverse(RIGHT)]), half_rank_scores)
    belief = posterior_cache.fit(known, features, np.random.default_rng(0)).belief_K
    assert belief is not None
    assert belief.tolist() == [1, 1]


def test_a_study_is_believed_as_surely_as_it_ranks_better_than_chance() -> None:
    known = curves(40)
    noise = np.random.default_rng(3).normal(size=(40, 30))
    belief = [weigh_studies(known, signal * truth(known)[:, None] + noise).mean() for signal in (-9, 0, 9)]
    assert belief[0] < 0.1
    assert 0.3 < belief[1] < 0.7
    assert belief[2] > 0.9


def test_trials_that_are_all_equal_are_no_evidence_against_a_study() -> None:
    known = replace(curves(12), best_NE=np.full((12, 3), 0.1))
    assert weigh_studies(known, np.arange(12.0)[:, None]).tolist() == [1]


def test_trials_are_compared_at_their_last_common_epoch() -> None:
    best = np.array([[0.5, np.nan, np.nan], [0.4, 0.9, np.nan], [0.4, 0.6, 0.95], [-np.inf, np.nan, np.nan]])
    known = replace(curves(4), best_NE=best, epochs_N=np.array([1, 2, 3, 1]))
    assert compare_pairs(known).tolist() == [[0, 1, 1, 1], [-1, 0, 1, 1], [-1, -1, 0, 1], [-1, -1, -1, 0]]


def test_every_worker_believes_the_same() -> None:
    known = curves(30)
    predicted = np.stack([truth(known), np.random.default_rng(1).normal(size=30)], axis=1)
    np.random.seed(1)
    first = weigh_studies(known, predicted)
    np.random.seed(2)
    assert weigh_studies(known, predicted).tolist() == first.tolist()
