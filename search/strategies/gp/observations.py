"""What the model is fitted to: some epochs of each learning curve, as scores that depend on ranks only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import rankdata

from search.strategies.gp.encoding import Array
from search.strategies.gp.learning_curves import LearningCurves


@dataclass(frozen=True, kw_only=True)
class Observations:
    """R observations: the index of the trial, the time and the score.

    Time is log(epoch) / log(epochs of a full training), from 0 to 1. Scores are normal scores (quantiles of the
    standard normal distribution at the ranks), so neither the scale nor the ceiling of accuracy matters.
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
        return self if len(self) <= most else self.take(self.thin_places(most))

    def thin_places(self, most: int) -> NDArray[np.int64]:
        """Return the indices of the observations that `thin` keeps."""
        if len(self) <= most:
            return np.arange(len(self))
        order = np.argsort(-self.score_R, kind="stable")
        best, others = order[: most // 2], np.sort(order[most // 2 :])
        return np.sort(np.concatenate([best, take_evenly(others, most - len(best))]))


def observe(curves: LearningCurves) -> Observations:
    """Return every trial's best value within 1, 3, 9, 27, ... epochs and within all that it has reported."""
    ladder, last = _ladder(curves.best_NE.shape[1]), curves.epochs_N
    reached = [np.flatnonzero(last >= epoch) for epoch in ladder]
    between = np.flatnonzero((last > 0) & ~np.isin(last, ladder))
    trial_R = np.concatenate([*reached, between])
    epoch_R = np.concatenate([*(np.full(len(r), e) for r, e in zip(reached, ladder, strict=True)), last[between]])
    best_R = curves.best_NE[trial_R, epoch_R - 1]
    return Observations(
        trial_R=trial_R,
        time_R=np.log(epoch_R) / np.log(max(2, curves.best_NE.shape[1])),
        score_R=normal_scores(best_R),
        means_R=None if curves.means_NE is None else curves.means_NE[trial_R, epoch_R - 1],
    )


def normal_scores(values_N: Array) -> Array:
    """Return the standard normal quantile at (rank - 1/2) / N of each value; ties share their mean rank."""
    return np.asarray(ndtri((rankdata(values_N) - 0.5) / max(1, len(values_N))), dtype=np.float64)


def take_evenly(places: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Return at most `most` of the indices, from the first to the last at equal distances."""
    if len(places) <= most:
        return places
    return places[np.round(np.linspace(0, len(places) - 1, most)).astype(np.int64)]


def _ladder(epochs: int) -> list[int]:
    powers = [3**k for k in range(epochs.bit_length()) if 3**k < epochs]
    return [*powers, epochs]
