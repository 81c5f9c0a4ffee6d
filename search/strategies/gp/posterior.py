"""Predictions for configurations, from a study's own curves and from those earlier studies that agree with them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from search.strategies.gp import gaussian_process
from search.strategies.gp.encoding import Array, Encoding
from search.strategies.gp.evidence import Evidence
from search.strategies.gp.gaussian_process import Kernel, Model
from search.strategies.gp.learning_curves import LearningCurves
from search.strategies.gp.observations import Observations, Scoring, observe_some
from search.strategies.gp.prior_models import PriorModels
from search.strategies.gp.study_weights import weigh_studies

ROWS = 200
FITTED_ROWS = 120
ITERATIONS = 30
FITS_KEPT = 4
"""Of one process."""
# Numbers of ended trials at which the kernel is fitted again, so that every worker has the same one.
MILESTONES = (4, 6, 9, 13, 18, 25, 35, 50, 70, 100, 140, 200, 280, 400, 560, 800, 1200, 1800, 2800, 4500, 7500)
# Share of the earlier studies' mean prediction that is the prior mean; the model learns the remainder.
TRUST = 0.8
# Ended trials from which on each earlier study is believed as far as it ranks them rightly; until then, in full. The
# first of them are the ones that experience starts with, which tell little because all studies think well of them.
ENOUGH_TO_DOUBT = 9
# Ended trials from which on every other proposal is made without earlier studies, however well they explain what is
# seen: that is mostly where they led, and they may be wrong about where they did not.
ENOUGH_ALONE = 25
ALONE_SHARE = 0.5
MOST_WAITING = 64


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What K earlier studies predict for N configurations, and how far each is believed, from 0 to 1."""

    earlier_NK: Array
    belief_K: Array

    @property
    def mean_N(self) -> Array:
        """The prior mean; a study that is not believed adds nothing to it, and the others keep their own share."""
        return np.asarray(TRUST * (self.earlier_NK * self.belief_K).mean(1), dtype=np.float64)

    def take(self, places: NDArray[np.int64]) -> Expectation:
        """Return the expectation of the configurations at these indices."""
        return replace(self, earlier_NK=self.earlier_NK[places])


@dataclass(frozen=True, kw_only=True)
class Posterior:
    """A model of the study and the best score so far.

    experience: the models of earlier studies that it builds on; None if it does not. belief_K: how far it believes
    each of these, from 0 to 1; None without them.
    """

    model: Model
    best: float
    experience: PriorModels | None
    belief_K: Array | None = None

    def predict(self, features_NC: Array) -> tuple[Array, Array]:
        """Return means and standard deviations of the scores of new trials at their last epoch, shape (N,) each."""
        if self.experience is None or self.belief_K is None:
            return self.model.predict_with_spread(features_NC)
        expected = Expectation(earlier_NK=self.experience.predict(features_NC), belief_K=self.belief_K)
        mean, spread = self.model.predict_with_spread(features_NC, expected.earlier_NK)
        return mean + expected.mean_N, spread


class PosteriorCache:
    """Fits posteriors; what it caches is determined by the history, so that all workers get the same ones."""

    def __init__(self, encoding: Encoding, experience: PriorModels | None, scoring: Scoring) -> None:
        self._encoding = encoding
        self._experience = experience
        self._scoring = scoring
        self._fitted: dict[bool, tuple[object, Kernel]] = {}
        self._belief: tuple[object, Array] | None = None
        self._expected: dict[bytes, Array] = {}

    def fit(self, curves: LearningCurves, features: Array, random: np.random.Generator) -> Posterior:
        """Return a posterior with or without experience, drawn with the posterior probability of each.

        Once `ENOUGH_ALONE` trials have ended, it is half as often with experience.

        features: of the trials of `curves`, shape (N, C).
        """
        chosen = observe_some(curves, ROWS, self._scoring)
        best = float(chosen.score_R.max())
        cold = self._given(curves, features, chosen, None)
        if self._experience is not None:
            expected = self._expect(curves, features)
            warm = self._given(curves, features, chosen, expected)
            odds = np.exp(np.clip(cold.log_evidence - warm.log_evidence, -30, 30))
            share = 1.0 if len(curves.finished) < ENOUGH_ALONE else 1 - ALONE_SHARE
            if random.random() < share / (1 + odds):
                model = _with_waiting(warm, curves, features, expected)
                return Posterior(model=model, best=best, experience=self._experience, belief_K=expected.belief_K)
        return Posterior(model=_with_waiting(cold, curves, features, None), best=best, experience=None)

    def predict_ends(
        self, curves: LearningCurves, features_NC: Array, place: int, others: NDArray[np.int64]
    ) -> tuple[Array, Array]:
        """Return means and standard deviations of the scores of a trial and then of others at their last epoch.

        place: the index of the trial; all its rows count, whichever else are left out. others: indices of others.
        """
        chosen = observe_some(curves, ROWS, self._scoring, place)
        wanted = np.concatenate([[place], others])
        return self._given(curves, features_NC, chosen, None).predict_trials(features_NC[wanted], wanted)

    def _given(
        self, curves: LearningCurves, features_NC: Array, chosen: Observations, expected: Expectation | None
    ) -> Model:
        kernel = self._kernel(curves, features_NC, expected)
        return gaussian_process.condition(kernel, _evidence(chosen, features_NC, expected))

    def _kernel(self, curves: LearningCurves, features_NC: Array, expected: Expectation | None) -> Kernel:
        warm = expected is not None
        start = self._start(warm)
        ended = _milestone(curves)
        if not len(ended):
            return start
        key = _key(ended)
        if warm not in self._fitted or self._fitted[warm][0] != key:
            known = None if expected is None else expected.take(ended)
            chosen = observe_some(curves.take(ended), FITTED_ROWS, self._scoring)
            evidence = _evidence(chosen, features_NC[ended], known)
            self._fitted[warm] = key, _fit_once(start, evidence)
        return self._fitted[warm][1]

    def _start(self, warm: bool) -> Kernel:
        cold = gaussian_process.prior_kernel(self._encoding.owner)
        if not warm or self._experience is None:
            return cold
        scales = self._experience.kernel.logs[: cold.parameters]
        return replace(cold, logs=np.concatenate([scales, cold.logs[cold.parameters :]]))

    def _expect(self, curves: LearningCurves, features_NC: Array) -> Expectation:
        """Return what the earlier studies predict for the trials, and how far each is believed."""
        earlier_NK = self._predict_earlier(features_NC)
        return Expectation(earlier_NK=earlier_NK, belief_K=self._weigh(curves, earlier_NK))

    def _predict_earlier(self, features_NC: Array) -> Array:
        """Return the earlier studies' predictions, shape (N, K); computed once for each configuration."""
        assert self._experience is not None
        keys = [row.tobytes() for row in features_NC]
        missing = [place for place, key in enumerate(keys) if key not in self._expected]
        if missing:
            found = self._experience.predict(features_NC[missing])
            self._expected |= {keys[place]: row for place, row in zip(missing, found, strict=True)}
        return np.array([self._expected[key] for key in keys])

    def _weigh(self, curves: LearningCurves, earlier_NK: Array) -> Array:
        """Return the belief in each earlier study, shape (K,); computed again with the kernel's fits."""
        ended = _milestone(curves)
        if len(ended) < ENOUGH_TO_DOUBT:
            return np.ones(earlier_NK.shape[1])
        key = _key(ended)
        if self._belief is None or self._belief[0] != key:
            compared = ended[np.unique(observe_some(curves.take(ended), ROWS, self._scoring).trial_R)]
            self._belief = key, weigh_studies(curves.take(compared), earlier_NK[compared])
        return self._belief[1]


def _fit_once(start: Kernel, evidence: Evidence) -> Kernel:
    """Return the fitted kernel; a process has a sampler and a pruner, which ask for the same ones."""
    earlier = [] if evidence.earlier_RK is None else [evidence.earlier_RK]
    means = [] if evidence.means_R is None else [evidence.means_R]
    rows = (evidence.features_RC, evidence.time_R, evidence.trial_R, evidence.score_R, *earlier, *means)
    key = (start.logs.tobytes(), start.owner_C.tobytes(), *(array.tobytes() for array in rows))
    if key not in _fitted_before:
        if len(_fitted_before) == FITS_KEPT:
            _fitted_before.pop(next(iter(_fitted_before)), None)
        _fitted_before[key] = gaussian_process.fit_kernel(start, evidence, ITERATIONS)
    return _fitted_before[key]


_fitted_before: dict[tuple[bytes, ...], Kernel] = {}


def _milestone(curves: LearningCurves) -> NDArray[np.int64]:
    """Return the indices of the trials that had ended at the last milestone."""
    reached = max((milestone for milestone in MILESTONES if milestone <= len(curves.finished)), default=0)
    return curves.finished[:reached]


def _key(ended: NDArray[np.int64]) -> object:
    return len(ended), tuple(ended[-3:])


def _evidence(chosen: Observations, features_NC: Array, expected: Expectation | None) -> Evidence:
    given = None if expected is None else expected.take(chosen.trial_R)
    return Evidence(
        features_RC=features_NC[chosen.trial_R],
        time_R=chosen.time_R,
        trial_R=chosen.trial_R,
        score_R=chosen.score_R - (0.0 if given is None else given.mean_N),
        earlier_RK=None if given is None else given.earlier_NK,
        means_R=chosen.means_R,
    )


def _with_waiting(model: Model, curves: LearningCurves, features_NC: Array, expected: Expectation | None) -> Model:
    """Return the model as if running trials without a value had scored what it predicts for them.

    It keeps two workers from trying the same configuration.
    """
    waiting = curves.waiting[:MOST_WAITING]
    if not len(waiting):
        return model
    earlier = None if expected is None else expected.earlier_NK[waiting]
    imagined = Evidence(
        features_RC=features_NC[waiting],
        time_R=np.ones(len(waiting)),
        trial_R=waiting,
        score_R=model.predict(features_NC[waiting], earlier),
        earlier_RK=earlier,
    )
    return gaussian_process.condition(model.kernel, model.rows + imagined)
