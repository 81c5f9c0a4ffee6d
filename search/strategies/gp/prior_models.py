"""Models of earlier studies, and the configurations to start from.

Data sets differ, so an earlier study says nothing about how high accuracies are in this one; it says which
configurations do better than others. Its model predicts this as a score, for any configuration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.curves import running_best
from search.strategies.gp import gaussian_process
from search.strategies.gp.encoding import ABSENT, Array, Encoding
from search.strategies.gp.evidence import Evidence
from search.strategies.gp.gaussian_process import Kernel, Model
from search.strategies.gp.learning_curves import LearningCurves
from search.strategies.gp.observations import normal_scores, observe_some, take_evenly
from search.strategies.gp.prior_study import FEWEST_TRIALS as FEWEST_TRIALS
from search.strategies.gp.prior_study import MOST_STUDIES as MOST_STUDIES
from search.strategies.gp.prior_study import PriorStudy as PriorStudy

STARTS = 4
# Of each earlier study: rows to predict from, rows to fit to, iterations of the fit, candidates for a start.
ROWS = 150
FITTED_ROWS = 110
ITERATIONS = 25
CANDIDATES = 10
# The smallest distance between two starts: root mean square over the parameters, in units.
CLOSE = 0.1


@dataclass(frozen=True, kw_only=True)
class PriorModels:
    """The models of K earlier studies, and the configurations to start from."""

    models: tuple[Model, ...]
    kernel: Kernel
    """The mean of the fitted kernels, where the fit to a new study begins."""
    starts: tuple[Array, ...]
    """Units of the configurations to start from, shape (P,) each."""

    def predict(self, features_NC: Array) -> Array:
        """Return the score that each model predicts at the last epoch, shape (N, K)."""
        return np.stack([model.predict(features_NC) for model in self.models], axis=1)


def fit_prior_models(encoding: Encoding, studies: Sequence[PriorStudy]) -> PriorModels | None:
    """Fit a model to each of the latest studies that have enough trials in this space; return None if none has.

    A trial is in the space if it has at least one of the space's parameters and all that it has are in range.
    """
    known = [curves for curves in (_curves(encoding, study) for study in studies) if len(curves) >= FEWEST_TRIALS]
    known = known[-MOST_STUDIES:]
    if not known:
        return None
    models = tuple(_model(encoding, curves) for curves in known)
    logs = np.mean([model.kernel.logs for model in models], axis=0)
    candidates = np.concatenate([_best(encoding, curves, model) for curves, model in zip(known, models, strict=True)])
    # Rounded, so that a configuration with which several earlier studies began is one candidate.
    candidates = np.unique(np.round(np.where(np.isnan(candidates), ABSENT, candidates), 6), axis=0)
    features = encoding.features(candidates)
    scores = np.stack([model.predict(features) for model in models], axis=1)
    distances = np.linalg.norm(features[:, None] - features[None], axis=-1) / np.sqrt(len(encoding))
    return PriorModels(
        models=models,
        kernel=replace(models[0].kernel, logs=logs),
        starts=tuple(candidates[place] for place in cover_greedily(scores, distances < CLOSE, STARTS)),
    )


def cover_greedily(scores_NK: Array, alike_NN: NDArray[np.bool_], most: int) -> list[int]:
    """Return the indices of the chosen candidates; each choice maximizes the sum over studies of the best score so far.

    The greedy set is within a factor of 1 - 1/e of the best one (Nemhauser et al. 1978). If no candidate adds
    anything, the best mean decides. Of candidates that are alike, one is chosen.
    """
    chosen: list[int] = []
    best_K = np.full(scores_NK.shape[1], -1.0)
    left = np.ones(len(scores_NK), dtype=np.bool_)
    while left.any() and len(chosen) < most:
        gain = np.maximum(scores_NK - best_K, 0).sum(1) + 1e-3 * scores_NK.mean(1)
        chosen.append(int(np.argmax(np.where(left, gain, -np.inf))))
        best_K = np.maximum(best_K, scores_NK[chosen[-1]])
        left &= ~alike_NN[chosen[-1]]
    return chosen


def _curves(encoding: Encoding, study: PriorStudy) -> LearningCurves:
    parameters = {parameter.name: parameter for parameter in encoding.parameters}

    def lies_within(values: Mapping[str, Any]) -> bool:
        shared = parameters.keys() & values.keys()
        return bool(shared) and all(not np.isnan(parameters[name].units([values[name]])).any() for name in shared)

    trials = [(values, curve) for values, curve in study.trials if len(curve) and lies_within(values)]
    epochs = max((len(curve) for _, curve in trials), default=1)
    best_NE = np.full((len(trials), epochs), np.nan)
    for place, (_, curve) in enumerate(trials):
        best_NE[place, : len(curve)] = running_best(np.asarray(curve, dtype=np.float64))
    places = np.arange(len(trials))
    units = [encoding.units(values) for values, _ in trials]
    return LearningCurves(
        numbers_N=places,
        units_NP=np.array(units).reshape(len(trials), len(encoding)),
        best_NE=best_NE,
        epochs_N=np.array([len(curve) for _, curve in trials], dtype=np.int64),
        finished=places,
    )


def _model(encoding: Encoding, curves: LearningCurves) -> Model:
    features_NC = encoding.features(curves.units_NP)
    chosen = observe_some(curves, ROWS)
    evidence = Evidence(
        features_RC=features_NC[chosen.trial_R],
        time_R=chosen.time_R,
        trial_R=chosen.trial_R,
        score_R=chosen.score_R,
    )
    fitted = evidence.take(take_evenly(np.arange(len(chosen)), FITTED_ROWS))
    kernel = gaussian_process.fit_kernel(gaussian_process.prior_kernel(encoding.owner), fitted, ITERATIONS)
    return gaussian_process.condition(kernel, evidence)


def _best(encoding: Encoding, curves: LearningCurves, model: Model) -> Array:
    """Return the units of the trials with the best predictions, which a single trial's luck does not decide."""
    reached = curves.best_N
    expected = model.predict(encoding.features(curves.units_NP)) + 1e-3 * normal_scores(reached)
    return curves.units_NP[np.argsort(-expected, kind="stable")[:CANDIDATES]]
