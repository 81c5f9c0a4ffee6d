"""The default pruner: after every epoch the best of all trials continue, fewer with each epoch.

On some data sets the best configurations are slow at first: after two epochs, up to three quarters of the final best
hundredth are not in the best quarter. So every third trial trains for a while before the first decision.
"""

from __future__ import annotations

import numpy as np
from optuna.pruners import BasePruner
from optuna.study import Study
from optuna.trial import FrozenTrial

from search.strategies.gp.encoding import Encoding
from search.strategies.gp.learning_curves import CurveReader, LearningCurves
from spaces import Space

DECAY = 1.3
PATIENT_EVERY = 3


def count_survivors(trials: int, epoch: int) -> float:
    """Return how many of the trials continue after `epoch` epochs: trials / (epoch + 1)^1.3, at least one.

    Successive halving keeps trials / r at each rung (Li et al. 2020), which is trials / epoch over all rungs. Here
    there is a decision after every epoch, so no trial trains to the next rung in vain.
    """
    return max(1.0, trials / float((epoch + 1) ** DECAY))


def first_decision(number: int, epochs: int) -> int:
    """Return the epochs before the first decision about a trial: one, and sqrt(epochs) for every third trial.

    number: of the trial. epochs: of a full training.
    """
    return max(1, round(epochs**0.5)) if number % PATIENT_EVERY == PATIENT_EVERY - 1 else 1


def count_ahead(curves: LearningCurves, place: int) -> int:
    """Return how many trials had a higher best value after the same number of epochs; ties go to the earlier trial.

    place: the index of the trial. Trials with fewer epochs, running or stopped, count with their best value so far:
    more epochs can only raise it.
    """
    values = curves.best_within(int(curves.epochs_N[place]))
    return int((values > values[place]).sum() + (values[:place] == values[place]).sum())


class RankPruner(BasePruner):
    """Stops a trial unless it is one of the best `count_survivors` of all trials that have reported.

    The best trial is never stopped; one that has reported nothing but NaN or infinity is.

    epochs: of a full training. first_step: the step under which trials report their first epoch.
    """

    def __init__(self, space: Space, epochs: int, *, first_step: int = 0) -> None:
        self._epochs = epochs
        self._history = CurveReader(Encoding(space), epochs, first_step)

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        curves = self._history.read(study)
        [place] = np.flatnonzero(curves.numbers_N == trial.number)
        epoch = int(curves.epochs_N[place])
        if not 0 < epoch < self._epochs:
            return False
        if curves.best_NE[place, epoch - 1] == -np.inf:
            return True
        if epoch < first_decision(trial.number, self._epochs):
            return False
        reported = int((curves.epochs_N > 0).sum())
        return count_ahead(curves, int(place)) >= count_survivors(reported, epoch)
