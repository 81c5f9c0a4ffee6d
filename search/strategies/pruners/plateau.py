"""Networks that have not begun to learn: as long as good ones have waited, waiting is no evidence against another."""

from __future__ import annotations

import numpy as np

from search.strategies.gp.learning_curves import LearningCurves

# What a quarter of the trials have at most after one epoch is where networks wait; and so is a fiftieth of the way from
# there to the best value, for the noise of a report.
QUANTILE = 0.25
TOLERANCE = 0.02
# Until a trial has completed, nobody knows how long good ones wait: this share of a training.
UNKNOWN_SHARE = 0.5


def is_waiting(curves: LearningCurves, place: int) -> bool:
    """Return whether a trial has not begun to learn, and some good trial had not either after as many epochs.

    place: the index of the trial. Good are the better half of the completed trials, audited ones included: if the best
    networks of a study begin late, the first of them to complete makes the others be waited for.
    """
    epoch = int(curves.epochs_N[place])
    level = _level(curves)
    return bool(curves.best_NE[place, epoch - 1] <= level) and epoch <= _longest_wait(curves, level)


def _level(curves: LearningCurves) -> float:
    """Return the highest value of a network that has not begun to learn; minus infinity if none has a value."""
    first_N = curves.best_NE[curves.epochs_N > 0, 0]
    first_N = first_N[np.isfinite(first_N)]
    if not len(first_N):
        return -np.inf
    level = float(np.quantile(first_N, QUANTILE))
    best = float(curves.best_N.max())
    return float(level + TOLERANCE * (best - level))


def _longest_wait(curves: LearningCurves, level: float) -> int:
    """Return the most epochs that a trial of the better half of the completed ones has waited."""
    epochs = int(curves.best_NE.shape[1])
    ends_N = np.where(curves.epochs_N == epochs, curves.best_NE[:, -1], -np.inf)
    completed = np.flatnonzero(ends_N > -np.inf)
    if not len(completed):
        return round(UNKNOWN_SHARE * epochs)
    better = completed[np.argsort(-ends_N[completed], kind="stable")[: -(-len(completed) // 2)]]
    return int((curves.best_NE[better] <= level).sum(1).max())
