"""Wrappers around every pruner: enough trials complete, and some of those to be stopped run on for an audit."""

from __future__ import annotations

import math
from collections.abc import Sequence

from optuna.pruners import BasePruner, HyperbandPruner, SuccessiveHalvingPruner
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from objectives.base.seeds import derive_seed
from search.statistics.curves import best_value
from search.strategies.pruners.audit import AUDITED, audited_trials, count_further_epochs
from search.strategies.pruners.survivors import count_owed
from storage import optuna_adapter
from storage.leasing.withdrawal import is_withdrawn

RECORDING = (SuccessiveHalvingPruner, HyperbandPruner)
"""Pruners that are always asked, because they record which rungs a trial has reached."""


class CompletionGuarantee(BasePruner):
    """A pruner that is overruled in two cases.

    A trial past two thirds of its epochs runs to its end, because little is saved by stopping it. While fewer trials
    have completed than `count_owed`, the leading ones continue, because the winner of a study is a completed trial.

    epochs: of a full training. trials: of the plan; None if it has no number of them.
    """

    def __init__(self, pruner: BasePruner, epochs: int, trials: int | None) -> None:
        self._pruner = pruner
        self._epochs = epochs
        self._planned = trials

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        runs_on = 3 * len(trial.intermediate_values) > 2 * self._epochs
        if runs_on and not isinstance(self._pruner, RECORDING):
            return False
        if not self._pruner.prune(study, trial) or runs_on:
            return False
        trials = [other for other in study.get_trials(deepcopy=False) if not is_withdrawn(other)]
        completed = sum(other.state == TrialState.COMPLETE for other in trials)
        missing = count_owed(len(trials), self._planned) - completed
        return missing <= 0 or _count_leading(trial, trials, study.direction) >= missing


class AuditedPruner(BasePruner):
    """A pruner that lets a small share of the trials it would stop run on, which shows what stopping costs.

    share: of the stopped trials, 0 to 1; which ones is drawn from the study's seed and the trial's number. Once the
    further epochs of these trials exceed the same share of all epochs trained, no other trial joins them.
    """

    def __init__(self, pruner: BasePruner, share: float, seed: int) -> None:
        self._pruner = pruner
        self._share = share
        self._seed = seed

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        if not self._pruner.prune(study, trial):
            return False
        if derive_seed(self._seed, AUDITED, trial.number) >= self._share * 2**63:
            return True
        trials = [other for other in study.get_trials(deepcopy=False) if not is_withdrawn(other)]
        if any(other.number == trial.number for other in audited_trials(trials)):
            return False
        trained = sum(len(other.intermediate_values) for other in trials)
        if count_further_epochs(trials) > self._share * trained:
            return True
        optuna_adapter.set_user_attribute(study, trial, AUDITED, len(trial.intermediate_values))
        return False


def _count_leading(trial: FrozenTrial, trials: Sequence[FrozenTrial], direction: StudyDirection) -> int:
    """Return how many other running trials are ahead; trials that have ended without completing cannot win."""
    sign = 1.0 if direction == StudyDirection.MAXIMIZE else -1.0
    own = _best(trial, sign)
    running = (other for other in trials if other.state == TrialState.RUNNING and other.number != trial.number)
    return sum(_best(other, sign) > own for other in running)


def _best(trial: FrozenTrial, sign: float) -> float:
    return best_value(
        {epoch: sign * value for epoch, value in trial.intermediate_values.items() if math.isfinite(value)}
    )
