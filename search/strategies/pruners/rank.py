"""When a trial is stopped: at every epoch the best of all trials go on, the fewer the later.

The best configurations of some data sets are slow at first: after two epochs, up to three quarters of the final
top hundredth are not among the best quarter. So every third trial is given time before it is looked at.
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


def count_places(trials: int, epoch: int) -> float:
    """How many of so many trials go on after `epoch` epochs, at least one: trials / (epoch + 1)^1.3.

    Successive halving keeps trials / r of each rung (Li et al. 2020), which is trials / epoch over all rungs; here
    every epoch decides, so that nobody trains to the next rung in vain.
    """
    return max(1.0, trials / float((epoch + 1) ** DECAY))


def first_look(number: int, epochs: int) -> int:
    """After how many epochs the trial of this number is looked at first: one, or for every third sqrt(epochs)."""
    return max(1, round(epochs**0.5)) if number % PATIENT_EVERY == PATIENT_EVERY - 1 else 1


def count_ahead(curves: LearningCurves, place: int) -> int:
    """How many trials had reached more within as many epochs; of equals, the earlier one is ahead.

    Trials that are not that far yet count by what they have: a trial that is behind a younger one can only fall
    further behind it. The same goes for those that were stopped.
    """
    values = curves.at(int(curves.epochs_N[place]))
    return int((values > values[place]).sum() + (values[:place] == values[place]).sum())


class RankPruner(BasePruner):
    """Stops a trial unless it is among the best `places` of all trials that have reported.

    epochs: of a full training. first_step: the step under which trials report their first epoch. The leader is
    never stopped; a trial that has reported but no number is.
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
        if epoch < first_look(trial.number, self._epochs):
            return False
        reported = int((curves.epochs_N > 0).sum())
        return count_ahead(curves, int(place)) >= count_places(reported, epoch)
