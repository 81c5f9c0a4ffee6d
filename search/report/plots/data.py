"""What plots draw: a study's trials, their curves, and when each epoch was reported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState

from objectives.base.plurals import count_noun
from search.errors import NothingToDo
from search.statistics.curves import running_best
from search.strategies.pruners.audit import AUDITED
from storage.leasing.withdrawal import CANCELLED, VOIDED, is_withdrawn

Array = NDArray[np.float64]
LEFT_OUT = {
    TrialState.PRUNED: "stopped early",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
    TrialState.FAIL: "failed",
}
WITHDRAWN = {VOIDED: "void", CANCELLED: "cancelled"}


@dataclass(frozen=True, kw_only=True)
class ReportedEpoch:
    """One epoch of a trial as the storage keeps it."""

    epoch: int
    """Counted from 0."""
    token: int
    """Of the lease that it was reported under: another one after an interruption."""
    reported_at: datetime
    """UTC, without a time zone."""
    seconds: float | None
    """How long it took; None if the objective did not report it."""


@dataclass(frozen=True, kw_only=True)
class PlotData:
    """A study at one moment."""

    name: str
    trials: Sequence[FrozenTrial]
    """Every trial, by number."""
    epochs: int
    """Epochs of a full training."""
    reported: Mapping[int, Sequence[ReportedEpoch]]
    """Of each trial that has any, by its number."""

    @property
    def completed(self) -> list[FrozenTrial]:
        """The trials whose value is that of a whole training."""
        return [trial for trial in self.trials if trial.state == TrialState.COMPLETE]

    def require_completed(self, count: int) -> list[FrozenTrial]:
        """Return the completed trials.

        Raises:
            NothingToDo: there are fewer than `count`.
        """
        found = self.completed
        if len(found) < count:
            raise NothingToDo(
                f"this plot needs {count_noun(count, 'completed trial')}, but study {self.name!r} has {len(found)}; "
                "train more, or plot `curves`"
            )
        return found

    def describe_left_out(self) -> str:
        """Return what a plot of the completed trials does not show; empty if it shows every trial."""
        counted = Counter(_describe_left_out(trial) for trial in self.trials if trial.state in LEFT_OUT)
        parts = [f"{counted[how]} {how}" for how in (*LEFT_OUT.values(), *WITHDRAWN.values()) if counted[how]]
        return f"completed trials only; not shown: {', '.join(parts)}" if parts else ""


def _describe_left_out(trial: FrozenTrial) -> str:
    return WITHDRAWN[trial.user_attrs["reason"]] if is_withdrawn(trial) else LEFT_OUT[trial.state]


def accuracies(trial: FrozenTrial) -> Array:
    """Return a trial's validation accuracy after each epoch, shape (E,)."""
    values = trial.intermediate_values
    return np.array([values[epoch] for epoch in sorted(values)], dtype=np.float64)


def best_so_far(trial: FrozenTrial) -> Array:
    """Return a trial's best accuracy up to each epoch, shape (E,)."""
    return running_best(accuracies(trial))


def audited_after(trial: FrozenTrial) -> int | None:
    """Return the number of epochs after which the pruner would have stopped a trial that ran on; None for others."""
    return int(trial.user_attrs[AUDITED]) if AUDITED in trial.user_attrs else None
