"""What a model is fitted to: some epochs of each learning curve, as scores that are alike for all scales of values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from search.strategies.gp.encoding import Array
from search.strategies.gp.epoch_parts import measure_part
from search.strategies.gp.learning_curves import LearningCurves

Scoring = Callable[[Array, Array], Array]
"""(some of the values, all N values) -> the scores of the former, shape of the former."""


@dataclass(frozen=True, kw_only=True)
class Observations:
    """R observations: the index of the trial, the time and the score.

    Time is log(epoch) / log(epochs of a full training), from 0 to 1. Scores are those of a `Scoring`.
    """

    trial_R: NDArray[np.int64]
    time_R: Array
    score_R: Array
    means_R: Array | None = None
    """Over how many reports each score's value is a mean; None if every one is a single report."""

    def __len__(self) -> int:
        return len(self.trial_R)

    def take(self, places: NDArray[np.int64]) -> Observations:
        """Return the observations at these indices."""
        return Observations(
            trial_R=self.trial_R[places],
            time_R=self.time_R[places],
            score_R=self.score_R[places],
            means_R=None if self.means_R is None else self.means_R[places],
        )

    def thin(self, most: int) -> Observations:
        """Return at most `most` observations: half of them the best ones, the others at equal distances."""
        return self if len(self) <= most else self.take(_thin(self.score_R, most))


def observe(curves: LearningCurves, scoring: Scoring) -> Observations:
    """Return every trial's best value within 1, 3, 9 and all parts of a training, and within all that it has reported.

    A part is an epoch, in a long training several (`epoch_parts.py`). No trial is stopped within the first part, so
    that what lies within tells of no further trial, and would take the place of others in a thinned model.
    """
    trial_R, epoch_R = _list_rows(curves)
    value_R = curves.best_NE[trial_R, epoch_R - 1]
    return Observations(
        trial_R=trial_R,
        time_R=_time(epoch_R, curves),
        score_R=scoring(value_R, value_R),
        means_R=_means(trial_R, epoch_R, curves),
    )


def observe_some(curves: LearningCurves, most: int, scoring: Scoring, trial: int | None = None) -> Observations:
    """Return what `observe(...).thin(most)` does, and all rows of one trial, without working out the others.

    trial: the index of that trial.
    """
    trial_R, epoch_R = _list_rows(curves)
    value_R = curves.best_NE[trial_R, epoch_R - 1]
    places = _thin(value_R, most)
    if trial is not None:
        places = np.union1d(places, np.flatnonzero(trial_R == trial))
    return Observations(
        trial_R=trial_R[places],
        time_R=_time(epoch_R[places], curves),
        score_R=scoring(value_R[places], value_R),
        means_R=_means(trial_R[places], epoch_R[places], curves),
    )


def normal_scores(some: Array, values_N: Array) -> Array:
    """Return the standard normal quantile at (rank - 1/2) / N of some of the values; ties share their mean rank.

    Neither the scale nor the ceiling of accuracy matters.
    """
    ordered_N = np.sort(values_N)
    rank = (np.searchsorted(ordered_N, some, "left") + np.searchsorted(ordered_N, some, "right") + 1) / 2
    return np.asarray(ndtri((rank - 0.5) / max(1, len(values_N))), dtype=np.float64)


def half_rank_scores(some: Array, values_N: Array) -> Array:
    """Return normal scores of the lower half of the values, and distances from the median of the upper half.

    How bad the bad ones are does not matter, but by how much the good ones differ does: ranks would stretch the
    differences between those near the best, which are small, and hide where the best is (half-rank warping, Song et al.
    2024). The unit is chosen so that the upper half has the mean square of a standard normal distribution's. The median
    is that of the finite values.
    """
    ranked, finite = normal_scores(some, values_N), values_N[np.isfinite(values_N)]
    median = float(np.median(finite)) if len(finite) else np.inf
    above = finite[finite > median]
    if not len(above):
        return ranked
    middle = float(normal_scores(np.array([median]), values_N)[0])
    distance = np.maximum(some - median, 0) / np.sqrt(((above - median) ** 2).mean())
    return np.where(some > median, middle + distance, np.minimum(ranked, middle))


def find_best(values_N: Array, count: int) -> NDArray[np.int64]:
    """Return the indices of the highest values, of equal ones those of the first, in the order of the indices."""
    least = np.partition(values_N, len(values_N) - count)[len(values_N) - count]
    above = np.flatnonzero(values_N > least)
    equal = np.flatnonzero(values_N == least)[: count - len(above)]
    return np.sort(np.concatenate([above, equal]))


def take_evenly(places: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Return at most `most` of the indices, from the first to the last at equal distances."""
    if len(places) <= most:
        return places
    return places[np.round(np.linspace(0, len(places) - 1, most)).astype(np.int64)]


def _list_rows(curves: LearningCurves) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the trial and the epoch of each observation, shape (R,) each."""
    ladder, last = _ladder(curves.best_NE.shape[1]), curves.epochs_N
    is_step = np.zeros(curves.best_NE.shape[1] + 1, dtype=np.bool_)
    is_step[[0, *ladder]] = True
    reached = [np.flatnonzero(last >= epoch) for epoch in ladder]
    between = np.flatnonzero(~is_step[last])
    epochs = [np.full(len(places), epoch) for places, epoch in zip(reached, ladder, strict=True)]
    return np.concatenate([*reached, between]), np.concatenate([*epochs, last[between]])


def _thin(values_R: Array, most: int) -> NDArray[np.int64]:
    """Return the indices of `most` observations: half of them the highest, the others at equal distances."""
    if len(values_R) <= most:
        return np.arange(len(values_R))
    best = find_best(values_R, most // 2)
    is_other = np.ones(len(values_R), dtype=np.bool_)
    is_other[best] = False
    return np.sort(np.concatenate([best, take_evenly(np.flatnonzero(is_other), most - len(best))]))


def _time(epoch_R: NDArray[np.int64], curves: LearningCurves) -> Array:
    return np.asarray(np.log(epoch_R) / np.log(max(2, curves.best_NE.shape[1])), dtype=np.float64)


def _means(trial_R: NDArray[np.int64], epoch_R: NDArray[np.int64], curves: LearningCurves) -> Array | None:
    return None if curves.means_NE is None else curves.means_NE[trial_R, epoch_R - 1]


def _ladder(epochs: int) -> list[int]:
    part = measure_part(epochs)
    steps = (round(part * 3**k) for k in range(epochs.bit_length()))
    return [*(step for step in steps if step < epochs), epochs]
