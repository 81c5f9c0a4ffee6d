"""What pruning cost a study, estimated from the trials that ran on although the pruner would have stopped them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from search.intervals import wilson_interval

# The user attribute of an audited trial: the number of epochs after which it would have been stopped.
AUDITED = "audited"


def audited_trials(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Return the trials that ran on or still do, although the pruner would have stopped them."""
    return [trial for trial in trials if AUDITED in trial.user_attrs]


def count_further_epochs(trials: Sequence[FrozenTrial]) -> int:
    """Return the number of epochs that audited trials trained after they would have been stopped."""
    return sum(len(trial.intermediate_values) - int(trial.user_attrs[AUDITED]) for trial in audited_trials(trials))


def summarize_audit(trials: Sequence[FrozenTrial]) -> dict[str, Any]:
    """Return the part of `status --json` about pruning.

    stopped: trials that the pruner stopped or would have stopped. audited: those of them that ran to their end.
    better: the audited ones with a higher value than every trial that the pruner let through. gain: by how much the
    best of these is higher, 0 if there is none. share_95: the 95% interval of the share of stopped trials that would
    have been better. epochs: trained for the audit.
    """
    ended = [trial for trial in audited_trials(trials) if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    let_through = [_value(trial) for trial in trials if AUDITED not in trial.user_attrs]
    best = max(let_through, default=0.0)
    better = [_value(trial) for trial in ended if _value(trial) > best]
    return {
        "stopped": sum(trial.user_attrs.get("reason") == "pruner" for trial in trials) + len(audited_trials(trials)),
        "audited": len(ended),
        "better": len(better),
        "gain": max(better, default=best) - best,
        "share_95": list(wilson_interval(len(better), len(ended))) if ended else None,
        "epochs": count_further_epochs(trials),
    }


def describe_audit(found: dict[str, Any]) -> str | None:
    """Return a sentence about the audit; None if no audited trial has ended."""
    if not found["audited"]:
        return None
    outcome = (
        f"{found['better']} would have been the best, by {found['gain']:.4f}"
        if found["better"]
        else "none would have been the best"
    )
    return (
        f"pruning stopped {found['stopped']} trials; {found['audited']} of them ran on to check, and {outcome} "
        f"(95% sure: at most {found['share_95'][1]:.0%} of those stopped)"
    )


def _value(trial: FrozenTrial) -> float:
    completed = trial.state == TrialState.COMPLETE and trial.value is not None
    return float(trial.value or 0.0) if completed else 0.0
