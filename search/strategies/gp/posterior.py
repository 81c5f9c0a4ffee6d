"""Predictions for configurations, from a study's own curves and, if they explain these, from earlier studies."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from search.strategies.gp import gaussian_process
from search.strategies.gp.encoding import Array, Encoding
from search.strategies.gp.gaussian_process import Evidence, Kernel, Model
from search.strategies.gp.learning_curves import LearningCurves
from search.strategies.gp.observations import Observations, observe
from search.strategies.gp.prior_models import PriorModels

ROWS = 200
FITTED_ROWS = 120
ITERATIONS = 30
# Numbers of ended trials at which the kernel is fitted again, so that every worker has the same one.
MILESTONES = (4, 6, 9, 13, 18, 25, 35, 50, 70, 100, 140, 200, 280, 400, 560, 800, 1200, 1800, 2800, 4500, 7500)
# Share of the earlier studies' mean prediction that is the prior mean; the model learns the remainder.
TRUST = 0.8
MOST_WAITING = 64


@dataclass(frozen=True, kw_only=True)
class Posterior:
    """A model of the study and the best score so far.

    experience: the models of earlier studies that it builds on; None if it does not.
    """

    model: Model
    best: float
    experience: PriorModels | None

    def predict(self, features_NC: Array) -> tuple[Array, Array]:
        """Return means and standard deviations of the scores of new trials at their last epoch, shape (N,) each."""
        if self.experience is None:
            return self.model.predict_with_spread(features_NC)
        earlier_NK = self.experience.predict(features_NC)
        mean, spread = self.model.predict_with_spread(features_NC, earlier_NK)
        return mean + TRUST * earlier_NK.mean(1), spread


class PosteriorCache:
    """Fits posteriors; what it caches is determined by the history, so that all workers get the same ones."""

    def __init__(self, encoding: Encoding, experience: PriorModels | None) -> None:
        self._encoding = encoding
        self._experience = experience
        self._fitted: dict[bool, tuple[object, Kernel]] = {}
        self._expected: dict[bytes, Array] = {}

    def fit(self, curves: LearningCurves, features: Array, random: np.random.Generator) -> Posterior:
        """Return a posterior with or without experience, drawn with the posterior probability of each.

        features: of the trials of `curves`, shape (N, C).
        """
        observed = observe(curves)
        chosen = observed.thin(ROWS)
        best = float(observed.score_R.max())
        cold = self._given(curves, features, chosen, None)
        if self._experience is not None:
            expected = self._expect(features)
            warm = self._given(curves, features, chosen, expected)
            odds = np.exp(np.clip(cold.log_evidence - warm.log_evidence, -30, 30))
            if random.random() < 1 / (1 + odds):
                model = _with_waiting(warm, curves, features, expected)
                return Posterior(model=model, best=best, experience=self._experience)
        return Posterior(model=_with_waiting(cold, curves, features, None), best=best, experience=None)

    def _given(
        self, curves: LearningCurves, features_NC: Array, chosen: Observations, expected_NK: Array | None
    ) -> Model:
        kernel = self._kernel(curves, features_NC, expected_NK)
        return gaussian_process.condition(kernel, _evidence(chosen, features_NC, expected_NK))

    def _kernel(self, curves: LearningCurves, features_NC: Array, expected_NK: Array | None) -> Kernel:
        warm = expected_NK is not None
        start = self._start(warm)
        reached = max((milestone for milestone in MILESTONES if milestone <= len(curves.finished)), default=0)
        if not reached:
            return start
        ended = curves.finished[:reached]
        key = (reached, tuple(ended[-3:]))
        if warm not in self._fitted or self._fitted[warm][0] != key:
            expected = None if expected_NK is None else expected_NK[ended]
            evidence = _evidence(observe(curves.take(ended)).thin(FITTED_ROWS), features_NC[ended], expected)
            self._fitted[warm] = key, gaussian_process.fit_kernel(start, evidence, ITERATIONS)
        return self._fitted[warm][1]

    def _start(self, warm: bool) -> Kernel:
        cold = gaussian_process.prior_kernel(self._encoding.owner)
        if not warm or self._experience is None:
            return cold
        scales = self._experience.kernel.logs[: cold.parameters]
        return replace(cold, logs=np.concatenate([scales, cold.logs[cold.parameters :]]))

    def _expect(self, features_NC: Array) -> Array:
        """Return the earlier studies' predictions, shape (N, K); computed once for each configuration."""
        assert self._experience is not None
        keys = [row.tobytes() for row in features_NC]
        missing = [place for place, key in enumerate(keys) if key not in self._expected]
        if missing:
            found = self._experience.predict(features_NC[missing])
            self._expected |= {keys[place]: row for place, row in zip(missing, found, strict=True)}
        return np.array([self._expected[key] for key in keys])


def _evidence(chosen: Observations, features_NC: Array, expected_NK: Array | None) -> Evidence:
    earlier = None if expected_NK is None else expected_NK[chosen.trial_R]
    taken = 0.0 if earlier is None else TRUST * earlier.mean(1)
    return Evidence(
        features_RC=features_NC[chosen.trial_R],
        time_R=chosen.time_R,
        trial_R=chosen.trial_R,
        score_R=chosen.score_R - taken,
        earlier_RK=earlier,
    )


def _with_waiting(model: Model, curves: LearningCurves, features_NC: Array, expected_NK: Array | None) -> Model:
    """Return the model as if running trials without a value had scored what it predicts for them.

    It keeps two workers from trying the same configuration.
    """
    waiting = curves.waiting[:MOST_WAITING]
    if not len(waiting):
        return model
    earlier = None if expected_NK is None else expected_NK[waiting]
    imagined = Evidence(
        features_RC=features_NC[waiting],
        time_R=np.ones(len(waiting)),
        trial_R=waiting,
        score_R=model.predict(features_NC[waiting], earlier),
        earlier_RK=earlier,
    )
    return gaussian_process.condition(model.kernel, model.rows + imagined)
