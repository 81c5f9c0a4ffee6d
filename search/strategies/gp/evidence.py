"""What a Gaussian process learns from: scores of trials at times.

Shapes: R rows, C columns of features, K earlier studies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search.strategies.gp.encoding import Array


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """R rows to learn from: one score of one trial at one time each."""

    features_RC: Array
    time_R: Array
    trial_R: NDArray[np.int64]
    score_R: Array
    earlier_RK: Array | None = None
    """Predictions of the models of K earlier studies for each row's configuration; None without earlier studies."""
    means_R: Array | None = None
    """Over how many trials of a configuration each score is a mean; None if every one is a single trial's."""

    def __len__(self) -> int:
        return len(self.score_R)

    def take(self, places: NDArray[np.int64]) -> Evidence:
        """Return the rows at these indices."""
        return Evidence(
            features_RC=self.features_RC[places],
            time_R=self.time_R[places],
            trial_R=self.trial_R[places],
            score_R=self.score_R[places],
            earlier_RK=None if self.earlier_RK is None else self.earlier_RK[places],
            means_R=None if self.means_R is None else self.means_R[places],
        )

    def __add__(self, other: Evidence) -> Evidence:
        both = self.earlier_RK is not None and other.earlier_RK is not None
        return Evidence(
            features_RC=np.concatenate([self.features_RC, other.features_RC]),
            time_R=np.concatenate([self.time_R, other.time_R]),
            trial_R=np.concatenate([self.trial_R, other.trial_R]),
            score_R=np.concatenate([self.score_R, other.score_R]),
            earlier_RK=np.concatenate([self.earlier_RK, other.earlier_RK]) if both else None,
            means_R=None if self.means_R is None else np.concatenate([self.means_R, np.ones(len(other))]),
        )

    @property
    def own_RR(self) -> Array:
        """By how much two rows share a trial's own deviation, of its seed and data order: 1 if both are its own.

        The mean over n trials has 1 / n of the variance; of two means over some of the same trials, the larger counts.
        """
        same = self.trial_R[:, None] == self.trial_R[None]
        return np.asarray(same if self.means_R is None else same / np.maximum.outer(self.means_R, self.means_R))

    @property
    def noise_R(self) -> Array:
        """The variance of each row's noise, as a multiple of a single report's."""
        return np.ones(len(self)) if self.means_R is None else 1 / self.means_R
