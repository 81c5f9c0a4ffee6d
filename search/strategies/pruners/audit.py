"""What pruning cost a study, estimated from the trials that ran on although the pruner would have stopped them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from optuna.trial import TrialState

from search.statistics.intervals import wilson_interval
from storage.leasing.withdrawal import AnyTrial

# The user attribute of an audited trial: the number of epochs after which it would have been stopped.
AUDITED = "audited"

T = TypeVar("T", bound=AnyTrial)


def audited_trials(trials: Sequence[T]) -> list[T]:
    """Return the trials that ran on or still do, although the pruner would have stopped them."""
    return [trial for trial in trials if AUDITED in trial.user_attrs]


def count_further_epochs(trials: Sequence[AnyTrial]) -> int:
    """Return the number of epochs that audited trials trained after they would have been stopped."""
    return sum(len(trial.intermediate_values) - int(trial.user_attrs[AUDITED]) for trial in audited_trials(trials))


@dataclass(frozen=True, kw_only=True)
class PruningAudit:
    """What pruning cost a study, estimated from the trials that ran on although the pruner would have stopped them."""

    stopped: int
    """Trials that the pruner stopped, or would have stopped."""
    audited: int
    """How many of these ran on to test the pruner, and have ended."""
    better: int
    """How many of the audited trials have a higher value than every trial that the pruner did not stop."""
    gain: float
    """The best audited value minus the best value of the trials that the pruner did not stop; 0 if `better` is 0."""
    share_95: tuple[float, float] | None
    """95% interval for the share of stopped trials that would have been better; None if none ran on."""
    epochs: int
    """Epochs trained after the pruner would have stopped a trial."""


def summarize_audit(trials: Sequence[AnyTrial]) -> PruningAudit:
    """Compare the trials that ran on with those that the pruner let through."""
    ended = [trial for trial in audited_trials(trials) if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    let_through = [_value(trial) for trial in trials if AUDITED not in trial.user_attrs]
    best = max(let_through, default=0.0)
    better = [_value(trial) for trial in ended if _value(trial) > best]
    return PruningAudit(
        stopped=sum(trial.user_attrs.get("reason") == "pruner" for trial in trials) + len(audited_trials(trials)),
        audited=len(ended),
        better=len(better),
        gain=max(better, default=best) - best,
        share_95=wilson_interval(len(better), len(ended)) if ended else None,
        epochs=count_further_epochs(trials),
    )


def _value(trial: AnyTrial) -> float:
    completed = trial.state == TrialState.COMPLETE and trial.value is not None
    return float(trial.value or 0.0) if completed else 0.0
