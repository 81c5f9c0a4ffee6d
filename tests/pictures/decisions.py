"""What the default pruner saw at each decision of a study that one worker trained, and what it decided."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from search.strategies.gp.encoding import Array, Encoding
from search.strategies.gp.learning_curves import CurveReader, LearningCurves
from search.strategies.gp.observations import normal_scores, observe
from search.strategies.gp.posterior import PosteriorCache
from search.strategies.pruners.plateau import is_waiting
from search.strategies.pruners.rank import MARGIN, choose_rivals, is_decided
from search.strategies.pruners.survivors import choose_decay, count_survivors
from spaces import Space


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One decision of `rank`: what it expected of a trial's last epoch, and where the bar was.

    Expectations are scores, as the model has them; `to_accuracy` gives the accuracy of each.
    """

    number: int
    epoch: int
    """Epochs that the trial had trained."""
    low: float
    """The expected end less what the model does not know."""
    high: float
    """The expected end and what the model does not know: it must not be below the bar."""
    bar: float
    """The lowest expected end among as many of the others as may continue."""
    survivors: int
    """How many of the trials might continue at this epoch."""
    score_R: Array
    """Scores of all values seen, in ascending order, and"""
    accuracy_R: Array
    """the accuracies that they stand for."""

    @property
    def stops(self) -> bool:
        """Whether the trial was to be stopped."""
        return self.high < self.bar

    def to_accuracy(self, score: Array | float) -> Array:
        """Return the accuracy of which the model thinks as this score: accuracies seen have the score of their rank."""
        return np.asarray(np.interp(score, self.score_R, self.accuracy_R), dtype=np.float64)


class Replay:
    """Decides again about the trials of a study that one worker trained, with what was known then.

    trials: of the study, in the order of their numbers. epochs: of a full training.
    """

    def __init__(self, space: Space, trials: list[FrozenTrial], epochs: int) -> None:
        self._trials = trials
        self._epochs = epochs
        self._encoding = Encoding(space)
        self._posteriors = PosteriorCache(self._encoding, None, normal_scores)

    def decide(self, number: int, epoch: int) -> Decision | None:
        """Return the decision about a trial after that number of epochs; None if it was waiting or had no rivals."""
        curves = self._read(number, epoch)
        [place] = np.flatnonzero(curves.numbers_N == number)
        if is_waiting(curves, int(place)):
            return None
        others, weights = choose_rivals(curves, int(place))
        if not len(others):
            return None
        assert (weights == 1).all(), "a study short enough to be compared whole"
        features = self._encoding.features(curves.units_NP)
        mean, spread = self._posteriors.predict_ends(curves, features, int(place), others)
        reported, decay = int((curves.epochs_N > 0).sum()), choose_decay(len(self._trials))
        survivors = math.ceil(count_survivors(reported, epoch, self._epochs, decay))
        score_R, accuracy_R = _pair_scores(curves)
        return Decision(
            number=number,
            epoch=epoch,
            low=float(mean[0] - MARGIN * spread[0]),
            high=float(mean[0] + MARGIN * spread[0]),
            bar=float(np.sort(mean[1:])[-min(survivors, len(others))]),
            survivors=survivors,
            score_R=score_R,
            accuracy_R=accuracy_R,
        )

    def list_decisions(self, trial: FrozenTrial) -> Iterator[Decision]:
        """Yield every decision about a trial."""
        last = min(len(trial.intermediate_values), self._epochs - 1)
        epochs = [epoch for epoch in range(1, last + 1) if is_decided(trial.number, epoch, self._epochs)]
        for epoch in epochs:
            decision = self.decide(trial.number, epoch)
            if decision is not None:
                yield decision

    def _read(self, number: int, epoch: int) -> LearningCurves:
        """Return the curves as they were when a trial had trained `epoch` epochs."""
        *earlier, trial = copy.deepcopy(self._trials[: number + 1])
        trial.state, trial.values, trial.datetime_complete = TrialState.RUNNING, None, None
        trial.intermediate_values = {step: value for step, value in trial.intermediate_values.items() if step < epoch}
        study = optuna.create_study(direction="maximize")
        study.add_trials([*earlier, trial])
        return CurveReader(self._encoding, self._epochs, 0).read(study)


def _pair_scores(curves: LearningCurves) -> tuple[Array, Array]:
    """Return the scores of the values seen, in ascending order, and these values; both shape (R,)."""
    observed = observe(curves, normal_scores)
    epoch_R = np.round(curves.best_NE.shape[1] ** observed.time_R).astype(np.int64)
    value_R = curves.best_NE[observed.trial_R, epoch_R - 1]
    seen = np.isfinite(value_R)
    score_R, first = np.unique(observed.score_R[seen], return_index=True)
    return score_R, value_R[seen][first]
