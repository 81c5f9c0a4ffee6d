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
from scipy.spatial.distance import cdist

from search.statistics.curves import running_best
from search.strategies.gp import gaussian_process
from search.strategies.gp.encoding import ABSENT, Array, Encoding
from search.strategies.gp.evidence import Evidence
from search.strategies.gp.gaussian_process import Kernel, Model
from search.strategies.gp.learning_curves import LearningCurves
from search.strategies.gp.neighbours import draw_neighbours
from search.strategies.gp.observations import half_rank_scores, observe_some, take_evenly
from search.strategies.gp.prior_study import FEWEST_TRIALS as FEWEST_TRIALS
from search.strategies.gp.prior_study import MOST_STUDIES as MOST_STUDIES
from search.strategies.gp.prior_study import PriorStudy as PriorStudy

STARTS = 4
# Of each earlier study: rows to predict from, rows to fit to, iterations of the fit.
ROWS = 150
FITTED_ROWS = 110
ITERATIONS = 25
# Candidates for a start: points of the whole space, and in each round some neighbours of each of the best so far.
ANYWHERE = 1000
ROUNDS = 4
NEIGHBOURS = 10
# The best so far: by the mean of all studies, and by each of them.
BEST_TOGETHER = 30
BEST_OF_EACH = 10
# Standard deviations that are taken from an expected score, so that no corner is chosen that no study has looked into.
CAUTION = 0.5
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
    tried = np.concatenate([curves.units_NP for curves in known])
    candidates = _search(encoding, models, tried)
    features = encoding.features(candidates)
    alike = cdist(features, features) < CLOSE * np.sqrt(len(encoding))
    chosen = cover_greedily(_score(encoding, models, candidates), alike, STARTS)
    return PriorModels(
        models=models,
        kernel=replace(models[0].kernel, logs=logs),
        starts=tuple(candidates[chosen]),
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
    chosen = observe_some(curves, ROWS, half_rank_scores)
    evidence = Evidence(
        features_RC=features_NC[chosen.trial_R],
        time_R=chosen.time_R,
        trial_R=chosen.trial_R,
        score_R=chosen.score_R,
    )
    fitted = evidence.take(take_evenly(np.arange(len(chosen)), FITTED_ROWS))
    kernel = gaussian_process.fit_kernel(gaussian_process.prior_kernel(encoding.owner), fitted, ITERATIONS)
    return gaussian_process.condition(kernel, evidence)


def _search(encoding: Encoding, models: Sequence[Model], tried_NP: Array) -> Array:
    """Return the units of the configurations that the models expect most of, tried or not, and of their neighbours.

    What the studies tried was drawn for one of them; what does well in most of them need not be among it.
    """
    random = np.random.default_rng(0)
    # A parameter that no study has is left open: none tells which of its values are good.
    known_P = ~np.isnan(tried_NP).all(axis=0)

    def leave_open(units_NP: Array) -> Array:
        return np.where(known_P, units_NP, np.nan)

    units_NP = np.concatenate([tried_NP, leave_open(encoding.draw(random.random((ANYWHERE, len(encoding)))))])
    for _ in range(ROUNDS):
        best_NP = units_NP[_find_best(_score(encoding, models, units_NP))]
        units_NP = np.concatenate([best_NP, leave_open(draw_neighbours(encoding, best_NP, NEIGHBOURS, random))])
    # Rounded, so that a configuration that was found twice is one candidate.
    return np.unique(np.round(np.where(np.isnan(units_NP), ABSENT, units_NP), 6), axis=0)


def _find_best(scores_NK: Array) -> NDArray[np.int64]:
    """Return the indices of the best configurations by the mean of all studies, and of the best ones of each study."""
    together = np.argsort(-scores_NK.mean(1), kind="stable")[:BEST_TOGETHER]
    return np.unique(np.concatenate([together, np.argsort(-scores_NK, axis=0, kind="stable")[:BEST_OF_EACH].ravel()]))


def _score(encoding: Encoding, models: Sequence[Model], units_NP: Array) -> Array:
    """Return the score that each model predicts for each configuration, less what it is unsure of, shape (N, K)."""
    features_NC = encoding.features(units_NP)
    predicted = [model.predict_with_spread(features_NC) for model in models]
    return np.stack([mean - CAUTION * spread for mean, spread in predicted], axis=1)
