"""A study's trials as arrays."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from search.curves import running_best
from search.strategies.gp.encoding import Array, Encoding
from storage.history.changes import Mark, read_changes

LEFT_OUT = (TrialState.WAITING, TrialState.FAIL)
REPORTS = "reports"
"""The system attribute of a trial that stands for several: over how many the mean of each epoch is, by the epoch."""


@dataclass(frozen=True, kw_only=True)
class LearningCurves:
    """N trials that have started, in the order of their numbers; E epochs, P parameters.

    The arrays are views of those of the reader, which its next `read` changes.
    """

    numbers_N: NDArray[np.int64]
    units_NP: Array
    best_NE: Array
    """The best value up to each epoch; NaN after the last reported one, minus infinity for a trial that broke down."""
    epochs_N: NDArray[np.int64]
    """Number of epochs reported by each trial."""
    finished: NDArray[np.int64]
    """Indices of the trials that have ended, in the order in which they ended."""
    means_NE: Array | None = None
    """Over how many reports each value is a mean, 1 or more; None if every one is a single report."""
    failed_FP: Array | None = None
    """Units of F failed trials, which are none of the N: all that is known of them is that they were tried."""

    def __len__(self) -> int:
        return len(self.numbers_N)

    def best_within(self, epoch: int) -> Array:
        """Return each trial's best value in its first `epoch` epochs, shape (N,); minus infinity if it has none."""
        last = np.minimum(self.epochs_N, epoch)
        values = self.best_NE[np.arange(len(self)), np.maximum(last, 1) - 1]
        return np.where(last > 0, values, -np.inf)

    @property
    def best_N(self) -> Array:
        """Each trial's best value so far; minus infinity if it has none."""
        return self.best_within(self.best_NE.shape[1])

    def take(self, places: NDArray[np.int64]) -> LearningCurves:
        """Return the trials at these indices, all of which have ended, in the order in which they ended."""
        return LearningCurves(
            numbers_N=self.numbers_N[places],
            units_NP=self.units_NP[places],
            best_NE=self.best_NE[places],
            epochs_N=self.epochs_N[places],
            finished=np.arange(len(places)),
            means_NE=None if self.means_NE is None else self.means_NE[places],
        )

    def leave_out(self, places: NDArray[np.int64]) -> LearningCurves:
        """Return all trials but those at these indices, none of which has ended."""
        kept = np.delete(np.arange(len(self)), places)
        return LearningCurves(
            numbers_N=self.numbers_N[kept],
            units_NP=self.units_NP[kept],
            best_NE=self.best_NE[kept],
            epochs_N=self.epochs_N[kept],
            finished=np.searchsorted(kept, self.finished),
            means_NE=None if self.means_NE is None else self.means_NE[kept],
            failed_FP=self.failed_FP,
        )

    @property
    def waiting(self) -> NDArray[np.int64]:
        """Indices of the running trials that have reported nothing yet."""
        running = np.ones(len(self), dtype=np.bool_)
        running[self.finished] = False
        return np.flatnonzero(running & (self.epochs_N == 0))


class CurveReader:
    """Reads a study into arrays; only trials that have changed since the last read are converted.

    epochs: of a full training. first_step: the step under which trials report their first epoch.
    """

    def __init__(self, encoding: Encoding, epochs: int, first_step: int) -> None:
        self._encoding = encoding
        self._epochs = epochs
        self._first_step = first_step
        self._mark: Mark | None = None
        self._ended_N: NDArray[np.int64] | None = None
        self._forget()

    def read(self, study: Study, *, leave_out: int | None = None) -> LearningCurves:
        """Return the trials of the study, except waiting and failed ones and the one with the number `leave_out`."""
        changes = read_changes(study, self._mark)
        self._mark = changes.mark
        if changes.outdated:
            self._forget()
        sign = 1.0 if study.direction == StudyDirection.MAXIMIZE else -1.0
        for trial in changes.trials:
            reports = sum(trial.system_attrs.get(REPORTS, {}).values())
            row = (trial.state, len(trial.params), len(trial.intermediate_values), reports)
            if self._rows.get(trial.number) != row:
                self._rows[trial.number] = row
                self._update(trial, sign)
        n = len(self._numbers)
        curves = LearningCurves(
            numbers_N=self._numbers_N[:n],
            units_NP=self._units_NP[:n],
            best_NE=self._best_NE[:n],
            epochs_N=self._epochs_N[:n],
            finished=np.searchsorted(self._numbers_N[:n], self._list_ended()),
            means_NE=self._means_NE[:n] if self._has_means else None,
            failed_FP=np.array([units for _, units in sorted(self._failed.items())]).reshape(
                len(self._failed), len(self._encoding)
            ),
        )
        place = n if leave_out is None else bisect_left(self._numbers, leave_out)
        left_out = place < n and self._numbers[place] == leave_out
        return curves.leave_out(np.array([place])) if left_out else curves

    def _list_ended(self) -> NDArray[np.int64]:
        """Return the numbers of the trials that have ended, in the order in which they ended."""
        if self._ended_N is None:
            self._ended_N = np.array([number for _, number in self._ended], dtype=np.int64)
        return self._ended_N

    def _forget(self) -> None:
        self._rows: dict[int, tuple[TrialState, int, int, int]] = {}
        self._has_means = False
        self._numbers: list[int] = []
        self._ended: list[tuple[datetime, int]] = []
        self._known_ends: set[int] = set()
        self._failed: dict[int, Array] = {}
        self._ended_N = None
        self._numbers_N = np.zeros(0, dtype=np.int64)
        self._units_NP = np.zeros((0, len(self._encoding)))
        self._best_NE = np.zeros((0, self._epochs))
        self._means_NE = np.ones((0, self._epochs))
        self._epochs_N = np.zeros(0, dtype=np.int64)

    def _update(self, trial: FrozenTrial, sign: float) -> None:
        place = bisect_left(self._numbers, trial.number)
        known = place < len(self._numbers) and self._numbers[place] == trial.number
        if trial.state == TrialState.FAIL:
            self._failed[trial.number] = self._encoding.units(trial.params)
        if trial.state in LEFT_OUT:
            if known:
                self._move(place + 1, place)
                del self._numbers[place]
            return
        if not known:
            self._move(place, place + 1)
            self._numbers.insert(place, trial.number)
        self._write(place, trial, sign)
        # A configuration that was stopped may still get reports, of trials that were running then.
        if trial.state.is_finished() and trial.number not in self._known_ends:
            self._known_ends.add(trial.number)
            insort(self._ended, (trial.datetime_complete or datetime.min, trial.number))
            self._ended_N = None

    def _move(self, source: int, target: int) -> None:
        """Move the rows from a place on to another place."""
        count = len(self._numbers) - source
        if target + count > len(self._numbers_N):
            self._grow(target + count)
        for rows in (self._numbers_N, self._units_NP, self._best_NE, self._means_NE, self._epochs_N):
            rows[target : target + count] = rows[source : source + count].copy()

    def _grow(self, needed: int) -> None:
        missing = 2 * needed - len(self._numbers_N)  # doubles the size, so that each row is copied only a few times
        self._numbers_N = np.concatenate([self._numbers_N, np.zeros(missing, dtype=np.int64)])
        self._units_NP = np.concatenate([self._units_NP, np.zeros((missing, len(self._encoding)))])
        self._best_NE = np.concatenate([self._best_NE, np.full((missing, self._epochs), np.nan)])
        self._means_NE = np.concatenate([self._means_NE, np.ones((missing, self._epochs))])
        self._epochs_N = np.concatenate([self._epochs_N, np.zeros(missing, dtype=np.int64)])

    def _write(self, place: int, trial: FrozenTrial, sign: float) -> None:
        self._numbers_N[place] = trial.number
        self._units_NP[place] = self._encoding.units(trial.params)
        values = np.full(self._epochs, np.nan)
        for step, value in trial.intermediate_values.items():
            if 0 <= step - self._first_step < self._epochs:
                values[step - self._first_step] = sign * value if math.isfinite(value) else -np.inf
        last = int(np.flatnonzero(~np.isnan(values)).max(initial=-1)) + 1
        if any(value > 0 for value in trial.constraints.values()) and last < self._epochs:
            values[: last + 1] = -np.inf  # diverged or out of memory: useless whatever it had reached
            last += 1
        self._best_NE[place] = np.nan
        self._best_NE[place, :last] = running_best(values[:last])
        self._epochs_N[place] = last
        self._means_NE[place] = 1
        for step, count in trial.system_attrs.get(REPORTS, {}).items():
            self._has_means = True
            if 0 <= step - self._first_step < self._epochs:
                self._means_NE[place, step - self._first_step] = count
