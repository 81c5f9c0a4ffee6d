"""What plots draw: a study's trials, their curves, and when each epoch was reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState

from search.errors import NothingToDo
from search.statistics.curves import running_best
from search.strategies.pruners.audit import AUDITED

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ReportedEpoch:
    """One epoch of a trial as the storage keeps it."""

    epoch: int
    """Counted from 0."""
    token: int
    """Of the lease that it was reported under: another one after an interruption."""
    reported_at: datetime
    seconds: float | None
    """How long it took; None if the objective did not report it."""


@dataclass(frozen=True, kw_only=True)
class PlotData:
    """A study at one moment."""

    study: optuna.Study
    epochs: int
    """Epochs of a full training."""
    reported: Mapping[int, Sequence[ReportedEpoch]]
    """Of each trial, by its number."""

    @cached_property
    def trials(self) -> list[FrozenTrial]:
        """Every trial, by number."""
        return self.study.get_trials(deepcopy=False)

    @property
    def completed(self) -> list[FrozenTrial]:
        """The trials whose value is that of a full training."""
        return [trial for trial in self.trials if trial.state == TrialState.COMPLETE]

    @property
    def stopped(self) -> list[FrozenTrial]:
        """The trials that ended before their training did: their last value is no result."""
        return [trial for trial in self.trials if trial.state == TrialState.PRUNED]

    @property
    def best(self) -> FrozenTrial:
        """The completed trial with the highest value."""
        return max(self.require_completed(1), key=lambda trial: (float(trial.value or 0.0), -trial.number))

    def require_completed(self, count: int) -> list[FrozenTrial]:
        """Return the completed trials.

        Raises:
            NothingToDo: there are fewer than `count`.
        """
        found = self.completed
        if len(found) < count:
            raise NothingToDo(
                f"this plot needs {count} completed trials, but study {self.study.study_name!r} has {len(found)}; "
                "train more, or plot `curves`"
            )
        return found

    def left_out(self) -> str:
        """Return a sentence on what a plot of completed trials does not show; empty if there is nothing."""
        count = len(self.trials) - len(self.completed)
        return f"{count} trials that did not complete are left out" if count else ""


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
