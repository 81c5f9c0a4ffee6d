"""What plots draw: a study's trials, their curves, and when each epoch was reported."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState

from objectives.base.plurals import count_noun
from search.errors import NothingToDo
from search.statistics.curves import running_best
from search.strategies.pruners.audit import AUDITED
from storage.history.confusions import Confusion
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
    energy_wh: float | None = None
    """What its GPUs took; None if they do not tell."""


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
    trial: int | None = None
    """The number of the trial that a plot of a single one shows; None if none has completed and none was named."""
    confusion: Confusion | None = None
    """Its confusion matrix; None if it has none."""

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


def trace_epochs(trials: Sequence[FrozenTrial]) -> list[tuple[int, FrozenTrial]]:
    """Return the trials that have ended, by their ends, each with the epochs that they and all before had trained."""
    ended = sorted(
        (trial for trial in trials if trial.datetime_complete is not None),
        key=lambda trial: (trial.datetime_complete, trial.number),
    )
    trained = accumulate(len(trial.intermediate_values) for trial in ended)
    return list(zip(trained, ended, strict=True))


def trace_rises(trials: Sequence[FrozenTrial]) -> list[tuple[int, float]]:
    """Return the best completed trial's value whenever it rose, with the epochs that had been trained by then."""
    found: list[tuple[int, float]] = []
    for epochs, trial in trace_epochs(trials):
        value = float(trial.value or 0.0) if trial.state == TrialState.COMPLETE else -math.inf
        if value > (found[-1][1] if found else -math.inf):
            found.append((epochs, value))
    return found


def sample_evenly(trials: Sequence[FrozenTrial], most: int) -> list[FrozenTrial]:
    """Return at most `most` completed trials, from the worst to the best in equal steps of rank."""
    if len(trials) <= most:
        return list(trials)
    ranked = sorted(trials, key=lambda trial: (float(trial.value or 0.0), trial.number))
    return [ranked[round(place * (len(ranked) - 1) / (most - 1))] for place in range(most)]


def audited_after(trial: FrozenTrial) -> int | None:
    """Return the number of epochs after which the pruner would have stopped a trial that ran on; None for others."""
    return int(trial.user_attrs[AUDITED]) if AUDITED in trial.user_attrs else None
