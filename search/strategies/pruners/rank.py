"""The default pruner: at each decision those trials continue that may still end among the best.

What a trial may still come to is what the model of the study's own curves, stopped and completed ones, expects of its
last epoch, and a margin for what it does not know. Early values count as far as they have foretold the ends so far.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from optuna.pruners import BasePruner
from optuna.study import Study
from optuna.trial import FrozenTrial

from search.strategies.gp.encoding import Encoding
from search.strategies.gp.epoch_parts import measure_part
from search.strategies.gp.learning_curves import CurveReader, LearningCurves
from search.strategies.gp.observations import find_best, normal_scores, take_evenly
from search.strategies.gp.posterior import PosteriorCache
from search.strategies.gp.threads import use_one_thread
from search.strategies.pruners.plateau import is_waiting
from search.strategies.pruners.survivors import choose_decay, count_survivors, list_decisions
from spaces import Space

PATIENT_EVERY = 3
# Standard deviations by which a trial's expected end may be too low.
MARGIN = 0.7
# Trials that one is compared with, at most: half of them the best so far, the others for all the rest.
COMPARED = 400


def first_decision(number: int, epochs: int) -> int:
    """Return the epochs before the first decision about a trial: one, and sqrt(epochs) for every third trial.

    number: of the trial. epochs: of a full training; of a long one, a 26th counts as one.
    """
    first = round(measure_part(epochs))
    return max(first, round(epochs**0.5)) if number % PATIENT_EVERY == PATIENT_EVERY - 1 else first


def is_decided(number: int, epoch: int, epochs: int) -> bool:
    """Return whether there is a decision about a trial after `epoch` epochs.

    number: of the trial. epochs: of a full training.
    """
    first = first_decision(number, epochs)
    return epoch == first or (epoch > first and epoch in list_decisions(epochs))


class RankPruner(BasePruner):
    """Stops a trial unless it may end among the best `count_survivors` of all trials that have reported.

    A trial that has reported nothing but NaN or infinity is stopped; one that is waiting (plateau.py) is not.

    epochs: of a full training. trials: of the plan; None if it has no number of them. reader: reads the study, for its
    sampler as well; None for one of its own, of trials that report their first epoch under step 0.
    """

    def __init__(
        self, space: Space, epochs: int, *, trials: int | None = None, reader: CurveReader | None = None
    ) -> None:
        self._epochs = epochs
        self._decay = choose_decay(trials)
        self._encoding = Encoding(space)
        self._history = reader or CurveReader(self._encoding, epochs, 0)
        self._posteriors = PosteriorCache(self._encoding, None, normal_scores)

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        curves = self._history.read(study)
        [place] = np.flatnonzero(curves.numbers_N == trial.number)
        epoch = int(curves.epochs_N[place])
        if not 0 < epoch < self._epochs:
            return False
        if curves.best_NE[place, epoch - 1] == -np.inf:
            return True
        if not is_decided(trial.number, epoch, self._epochs) or is_waiting(curves, int(place)):
            return False
        reported = int((curves.epochs_N > 0).sum())
        survivors = count_survivors(reported, epoch, self._epochs, self._decay)
        with use_one_thread():
            return self._count_ahead(curves, int(place)) >= survivors

    def _count_ahead(self, curves: LearningCurves, place: int) -> float:
        """Return about how many other configurations are expected to end above what this trial may come to."""
        if not len(self._encoding):
            # There is one configuration: only values tell its trials apart.
            reached_N = curves.best_within(int(curves.epochs_N[place]))
            return float((reached_N > reached_N[place]).sum())
        features_NC = curves.features(self._encoding)
        others, weight_N = choose_rivals(curves, place)
        mean, spread = self._posteriors.predict_ends(curves, features_NC, place, others)
        ahead = np.flatnonzero(mean[1:] > mean[0] + MARGIN * spread[0])
        ahead = ahead[(features_NC[others[ahead]] != features_NC[place]).any(axis=1)]
        # A configuration that was trained again counts once: it is one rival, and not this trial's own.
        _, once = np.unique(features_NC[others[ahead]], axis=0, return_index=True)
        return float(weight_N[ahead[once]].sum())


def choose_rivals(curves: LearningCurves, place: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the indices of the trials to compare one with, and how many trials each stands for.

    place: the index of the trial.
    """
    reported = np.flatnonzero(curves.epochs_N > 0)
    others = reported[reported != place]
    if len(others) <= COMPARED:
        return others, np.ones(len(others))
    reached = curves.best_N[others]
    top = find_best(reached, COMPARED // 2)
    best = others[top[np.argsort(-reached[top], kind="stable")]]
    rest = take_evenly(np.delete(others, top), COMPARED // 2)
    share = (len(others) - len(best)) / len(rest)
    return np.concatenate([best, rest]), np.concatenate([np.ones(len(best)), np.full(len(rest), share)])
