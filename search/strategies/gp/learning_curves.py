"""A study's trials as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from search.strategies.gp.encoding import Array, Encoding
from storage.history.changes import Mark, read_changes
from storage.leasing.withdrawal import is_withdrawn

LEFT_OUT = (TrialState.WAITING, TrialState.FAIL)
AT_ONCE = 500
"""Trials that are converted together."""
ARRAYS = ("_numbers_N", "_units_NP", "_features_NC", "_best_NE", "_means_NE", "_epochs_N")
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
    known_NC: Array | None = None
    """The features of `units_NP`, if they are known already."""

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

    def features(self, encoding: Encoding) -> Array:
        """Return the model's inputs, shape (N, C)."""
        return encoding.features(self.units_NP) if self.known_NC is None else self.known_NC

    def take(self, places: NDArray[np.int64]) -> LearningCurves:
        """Return the trials at these indices, all of which have ended, in the order in which they ended."""
        return replace(self._select(places), finished=np.arange(len(places)))

    def leave_out(self, places: NDArray[np.int64]) -> LearningCurves:
        """Return all trials but those at these indices, none of which has ended."""
        kept = np.delete(np.arange(len(self)), places)
        return replace(self._select(kept), finished=np.searchsorted(kept, self.finished), failed_FP=self.failed_FP)

    def _select(self, places: NDArray[np.int64]) -> LearningCurves:
        return LearningCurves(
            numbers_N=self.numbers_N[places],
            units_NP=self.units_NP[places],
            best_NE=self.best_NE[places],
            epochs_N=self.epochs_N[places],
            finished=self.finished,
            means_NE=None if self.means_NE is None else self.means_NE[places],
            known_NC=None if self.known_NC is None else self.known_NC[places],
        )

    @property
    def waiting(self) -> NDArray[np.int64]:
        """Indices of the running trials that have reported nothing yet."""
        running = np.ones(len(self), dtype=np.bool_)
        running[self.finished] = False
        return np.flatnonzero(running & (self.epochs_N == 0))


class CurveReader:
    """Reads a study into arrays; only what has changed since the last read is converted.

    epochs: of a full training. first_step: the step under which trials report their first epoch.
    """

    def __init__(self, encoding: Encoding, epochs: int, first_step: int) -> None:
        self._encoding = encoding
        self._epochs = epochs
        self._first_step = first_step
        self._mark: Mark | None = None
        # What was returned last, as long as no trial begins or ends; its arrays are these.
        self._curves: LearningCurves | None = None
        self._forget()

    def read(self, study: Study, *, leave_out: int | None = None) -> LearningCurves:
        """Return the trials of the study, except waiting and failed ones and the one with the number `leave_out`."""
        changes = read_changes(study, self._mark)
        self._mark = changes.mark
        if changes.outdated:
            self._forget()
        sign = 1.0 if study.direction == StudyDirection.MAXIMIZE else -1.0
        changed = [trial for trial in changes.trials if self._seen.get(trial.number) != _describe(trial)]
        for first in range(0, len(changed), AT_ONCE):
            self._update(changed[first : first + AT_ONCE], sign)
        curves = self._curves if self._curves is not None else self._build()
        self._curves = curves
        place = len(curves) if leave_out is None else int(np.searchsorted(curves.numbers_N, leave_out))
        left_out = place < len(curves) and curves.numbers_N[place] == leave_out
        return curves.leave_out(np.array([place])) if left_out else curves

    def _build(self) -> LearningCurves:
        n = self._count
        failed = [units for _, units in sorted(self._failed.items())]
        return LearningCurves(
            numbers_N=self._numbers_N[:n],
            units_NP=self._units_NP[:n],
            best_NE=self._best_NE[:n],
            epochs_N=self._epochs_N[:n],
            finished=np.searchsorted(self._numbers_N[:n], self._ended_N),
            means_NE=self._means_NE[:n] if self._has_means else None,
            failed_FP=np.array(failed).reshape(len(failed), len(self._encoding)),
            known_NC=self._features_NC[:n],
        )

    def _forget(self) -> None:
        # By the trial's number: its state, and how many parameters, values and reports behind these it had.
        self._seen: dict[int, tuple[TrialState, int, int, int]] = {}
        self._has_means = False
        self._ended: list[tuple[datetime, int]] = []
        self._ended_N = np.zeros(0, dtype=np.int64)
        self._failed: dict[int, Array] = {}
        self._curves = None
        self._count = 0
        self._numbers_N = np.zeros(0, dtype=np.int64)
        self._units_NP = np.zeros((0, len(self._encoding)))
        self._features_NC = np.zeros((0, len(self._encoding.owner)))
        self._best_NE = np.zeros((0, self._epochs))
        self._means_NE = np.ones((0, self._epochs))
        self._epochs_N = np.zeros(0, dtype=np.int64)

    def _update(self, trials: Sequence[FrozenTrial], sign: float) -> None:
        before = [self._seen.get(trial.number) for trial in trials]
        self._seen |= {trial.number: _describe(trial) for trial in trials}
        if any(seen is None or seen[0] != trial.state for seen, trial in zip(before, trials, strict=True)):
            self._curves = None
        self._remove([trial.number for trial in trials if trial.state in LEFT_OUT])
        for trial in trials:
            if trial.state == TrialState.FAIL and not is_withdrawn(trial):
                self._failed[trial.number] = self._encoding.units(trial.params)
        started = [(seen, trial) for seen, trial in zip(before, trials, strict=True) if trial.state not in LEFT_OUT]
        self._insert([trial.number for seen, trial in started if seen is None or seen[0] in LEFT_OUT])
        self._encode(
            [trial for seen, trial in started if seen is None or seen[0] in LEFT_OUT or seen[1] != len(trial.params)]
        )
        self._write([trial for _, trial in started], sign)
        self._end(
            (trial.datetime_complete or datetime.min, trial.number)
            for seen, trial in started
            if trial.state.is_finished() and (seen is None or seen[0] in LEFT_OUT or not seen[0].is_finished())
        )

    def _end(self, ended: Iterable[tuple[datetime, int]]) -> None:
        new = sorted(ended)
        in_order = not self._ended or not new or self._ended[-1] < new[0]
        self._ended += new
        if not in_order:
            self._ended.sort()
        known = [self._ended_N] if in_order else []
        added = new if in_order else self._ended
        self._ended_N = np.concatenate([*known, np.array([number for _, number in added], dtype=np.int64)])

    def _find(self, numbers: Sequence[int]) -> NDArray[np.int64]:
        return np.searchsorted(self._numbers_N[: self._count], numbers)

    def _remove(self, numbers: Sequence[int]) -> None:
        kept = ~np.isin(self._numbers_N[: self._count], numbers)
        if len(numbers) and not kept.all():
            self._count = int(kept.sum())
            for name in ARRAYS:
                rows = getattr(self, name)
                rows[: self._count] = rows[: len(kept)][kept]

    def _insert(self, numbers: Sequence[int]) -> None:
        """Make room for trials, among those that are there or, as nearly always, after them."""
        before, self._count = self._count, self._count + len(numbers)
        places = np.searchsorted(self._numbers_N[:before], numbers)
        for name in ARRAYS:
            rows = getattr(self, name)
            if self._count > len(rows):  # doubled, so that each row is copied only a few times
                rows = np.concatenate([rows, np.zeros((2 * self._count - len(rows), *rows.shape[1:]), rows.dtype)])
                setattr(self, name, rows)
            if len(numbers) and places[0] < before:
                rows[: self._count] = np.insert(rows[:before], places, 0, axis=0)
        self._numbers_N[places + np.arange(len(numbers))] = numbers

    def _encode(self, trials: Sequence[FrozenTrial]) -> None:
        if trials:
            places = self._find([trial.number for trial in trials])
            self._units_NP[places] = units = self._encoding.units_of([trial.params for trial in trials])
            self._features_NC[places] = self._encoding.features(units) if len(self._encoding) else 0

    def _write(self, trials: Sequence[FrozenTrial], sign: float) -> None:
        reports = [trial.intermediate_values for trial in trials]
        row_R = np.repeat(np.arange(len(trials)), [len(values) for values in reports])
        step_R = np.fromiter(chain.from_iterable(reports), np.int64, len(row_R)) - self._first_step
        value_R = np.fromiter(chain.from_iterable(values.values() for values in reports), np.float64, len(row_R))
        within = (step_R >= 0) & (step_R < self._epochs)
        values_NE = np.full((len(trials), self._epochs), np.nan)
        values_NE[row_R[within], step_R[within]] = np.where(np.isfinite(value_R), sign * value_R, -np.inf)[within]
        known_NE = ~np.isnan(values_NE)
        last_N = np.where(known_NE.any(1), self._epochs - known_NE[:, ::-1].argmax(1), 0)
        for place, trial in enumerate(trials):
            if any(value > 0 for value in trial.constraints.values()) and last_N[place] < self._epochs:
                last_N[place] += 1
                values_NE[place, : last_N[place]] = -np.inf  # broke down: useless whatever it had reached
        best_NE = np.maximum.accumulate(np.where(np.isnan(values_NE), -np.inf, values_NE), axis=1)
        places = self._find([trial.number for trial in trials])
        self._best_NE[places] = np.where(np.arange(self._epochs) < last_N[:, None], best_NE, np.nan)
        self._epochs_N[places] = last_N
        self._means_NE[places] = 1
        for place, trial in zip(places, trials, strict=True):
            if REPORTS in trial.system_attrs:
                self._write_means(place, trial.system_attrs[REPORTS])

    def _write_means(self, place: np.int64, reports: Mapping[int, int]) -> None:
        if not self._has_means:
            self._has_means, self._curves = True, None
        for step, count in reports.items():
            if 0 <= step - self._first_step < self._epochs:
                self._means_NE[place, step - self._first_step] = count


def _describe(trial: FrozenTrial) -> tuple[TrialState, int, int, int]:
    reports = sum(trial.system_attrs[REPORTS].values()) if REPORTS in trial.system_attrs else 0
    return trial.state, len(trial.params), len(trial.intermediate_values), reports
