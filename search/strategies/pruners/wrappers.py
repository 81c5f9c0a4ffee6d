"""What holds for every pruner: a study gets a winner, and some of what is stopped runs on to be looked at."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.pruners import BasePruner
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from objectives.base.seeds import derive_seed
from search.curves import best_value
from search.strategies.pruners.audit import AUDITED, audited_trials, count_further_epochs
from storage import optuna_adapter


class WinnerGuarantee(BasePruner):
    """Another pruner, overruled in two cases.

    A trial past two thirds of its epochs runs to its end: it is nearly paid for. And the leader of a study that
    has no completed trial yet goes on, because the winner of a study is a completed trial: every study needs one.
    """

    def __init__(self, pruner: BasePruner, epochs: int) -> None:
        self._pruner = pruner
        self._epochs = epochs

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        # Asked first whatever comes: successive halving writes down which rungs a trial has reached.
        if not self._pruner.prune(study, trial):
            return False
        if 3 * len(trial.intermediate_values) > 2 * self._epochs:
            return False
        trials = study.get_trials(deepcopy=False)
        return any(other.state == TrialState.COMPLETE for other in trials) or not _leads(trial, trials)


class AuditedPruner(BasePruner):
    """Another pruner, but a small share of the trials that it stops run on, so that one sees what stopping costs.

    share: of the stopped trials, drawn by the study's seed and the trial's number, 0 to 1. Their further epochs
    stay within the same share of all epochs trained, but for the last of them to begin.
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
        trials = study.get_trials(deepcopy=False)
        if any(other.number == trial.number for other in audited_trials(trials)):
            return False
        trained = sum(len(other.intermediate_values) for other in trials)
        if count_further_epochs(trials) > self._share * trained:
            return True
        optuna_adapter.set_user_attribute(study, trial, AUDITED, len(trial.intermediate_values))
        return False


def _leads(trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> bool:
    """Whether no other trial that still runs is ahead; one that has ended cannot become the winner."""
    own = best_value(trial.intermediate_values)
    running = (other for other in trials if other.state == TrialState.RUNNING and other.number != trial.number)
    return all(best_value(other.intermediate_values) <= own for other in running)
