"""What is believed of configurations, by a study's own curves and by experience as far as it agrees with them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from search.strategies.gp.encoding import Encoding
from search.strategies.gp.learning_curves import LearningCurves
from search.strategies.gp.observations import half_rank_scores
from search.strategies.gp.posterior import Posterior, PosteriorCache
from search.strategies.gp.prior_models import PriorStudy, fit_prior_models
from tests.search.strategies.gp.test_prior_models import SPACE
from tests.search.strategies.gp.test_prior_models import study as earlier

BEST = np.array([0.8, 0.2])


def curves(trials: int, waiting: tuple[float, float] | None = None, seed: int = 5) -> LearningCurves:
    """Trials of three epochs, the better the nearer to `BEST`, and perhaps one that has reported nothing."""
    units = np.random.default_rng(seed).random((trials, 2))
    top = 1 - ((units - BEST) ** 2).sum(1)
    best = top[:, None] - 0.3 * 0.5 ** np.arange(3)
    if waiting is not None:
        units, best = np.concatenate([units, [waiting]]), np.concatenate([best, np.full((1, 3), np.nan)])
    return LearningCurves(
        numbers_N=np.arange(len(units)),
        units_NP=units,
        best_NE=best,
        epochs_N=np.array([3] * trials + [0] * (waiting is not None)),
        finished=np.arange(trials),
    )


def believed(
    posterior_cache: PosteriorCache, encoding: Encoding, known: LearningCurves, random: np.random.Generator
) -> Posterior:
    return posterior_cache.fit(known, encoding.features(known.units_NP), random)


def test_the_best_is_expected_where_it_is() -> None:
    encoding = Encoding(SPACE)
    posterior = believed(
        PosteriorCache(encoding, None, half_rank_scores), encoding, curves(25), np.random.default_rng(0)
    )
    mean, spread = posterior.predict(encoding.features(np.array([BEST, [0.1, 0.9], [0.5, 0.5]])))
    assert mean[0] > mean[2] > mean[1]
    assert mean[0] > posterior.best - 0.3
    assert (spread > 0).all()


def test_what_runs_already_leaves_less_to_learn() -> None:
    encoding = Encoding(SPACE)
    point = (0.05, 0.05)

    def spread(known: LearningCurves) -> float:
        posterior = believed(
            PosteriorCache(encoding, None, half_rank_scores), encoding, known, np.random.default_rng(0)
        )
        return float(posterior.predict(encoding.features(np.array([point])))[1][0])

    assert spread(curves(8, waiting=point)) < 0.8 * spread(curves(8))


def shuffled(study: PriorStudy) -> PriorStudy:
    """The same parameters with one another's curves: it teaches nothing."""
    order = np.random.default_rng(0).permutation(len(study.trials))
    mixed = [(study.trials[place][0], study.trials[other][1]) for place, other in enumerate(order)]
    return replace(study, trials=mixed)


@pytest.mark.parametrize("right", [True, False])
def test_experience_is_believed_as_often_as_it_explains_what_is_seen(right: bool) -> None:
    encoding = Encoding(SPACE)
    studies = [earlier((0.8, 0.2), seed=1), earlier((0.8, 0.2), seed=2)]
    experience = fit_prior_models(encoding, studies if right else [shuffled(study) for study in studies])
    posterior_cache, known = PosteriorCache(encoding, experience, half_rank_scores), curves(12)
    random = np.random.default_rng(0)
    warm = np.mean([believed(posterior_cache, encoding, known, random).experience is not None for _ in range(20)])
    assert warm > 0.8 if right else warm < 0.6


@pytest.mark.parametrize(("trials", "least", "most"), [(24, 0.8, 1.0), (25, 0.3, 0.7)])
def test_every_other_proposal_goes_without_experience_once_a_study_has_trials_of_its_own(
    trials: int, least: float, most: float
) -> None:
    encoding = Encoding(SPACE)
    experience = fit_prior_models(encoding, [earlier((0.8, 0.2), seed=1), earlier((0.8, 0.2), seed=2)])
    posterior_cache, known = PosteriorCache(encoding, experience, half_rank_scores), curves(trials)
    random = np.random.default_rng(0)
    warm = np.mean([believed(posterior_cache, encoding, known, random).experience is not None for _ in range(40)])
    assert least <= warm <= most
