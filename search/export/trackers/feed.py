"""Feeds a tracker from the storage: each epoch once, whichever worker trained it and however often it was resumed."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from optuna.trial import FrozenTrial, TrialState

from search.export.trackers.outcome import Outcome
from search.export.trackers.source import Source, StorageAway
from search.export.trackers.tracker import Tracker
from search.study.trials import describe_trial

LOOK_SECONDS = 1.0
"""Time between two looks at the storage."""
TRIALS_AT_ONCE = 100


class Ending:
    """Tells a feed that the run has ended, from another thread."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.outcome: Outcome | None = None
        """How it ended; None for what the study's record says."""

    def set(self, outcome: Outcome | None) -> None:
        """Let the feed read the study a last time and finish."""
        self.outcome = outcome
        self._event.set()

    def wait(self, seconds: float) -> bool:
        """Wait at most so long; return whether the run has ended."""
        return self._event.wait(seconds)


class Feed:
    """Tells a tracker what is new."""

    def __init__(self, tracker: Tracker, source: Source) -> None:
        self._tracker = tracker
        self._source = source
        self._known: Mapping[int, int] | None = None
        self._next: dict[int, int] = {}  # the first epoch that a trial's run lacks, by the number of a trial begun
        self._ended: set[int] = set()
        self.delivered = 0
        """How many calls the tracker has answered."""

    def follow(self, ending: Ending) -> None:
        """Feed the tracker until the run has ended; an outage of the storage is waited for meanwhile.

        Raises:
            StorageAway: after the end, the storage did not answer.
        Exception: what the tracker raised.
        """
        self._begin()
        while not ending.wait(LOOK_SECONDS):
            try:
                self._catch_up()
            except StorageAway:
                continue
        self._catch_up()
        self._tracker.study_ended(self._source.read_ended(ending.outcome))
        self._count()

    def _begin(self) -> None:
        trials = self._source.read_trials()
        self._known = self._tracker.study_started(self._source.read_study())
        self._count()
        if self._known is None:
            self._ended = {trial.number for trial in trials if trial.state.is_finished()}
            self._known = {trial.number: _count_epochs(trial) for trial in trials}

    def _catch_up(self) -> None:
        trials = [trial for trial in self._source.read_trials() if self._has_news(trial)]
        known = self._known or {}
        first = {trial.number: self._next.get(trial.number, known.get(trial.number, 0)) for trial in trials}
        for start in range(0, len(trials), TRIALS_AT_ONCE):
            chunk = trials[start : start + TRIALS_AT_ONCE]
            for trial, rows in zip(chunk, self._source.read_epochs(chunk, first), strict=True):
                self._tell(trial, first[trial.number], rows)

    def _has_news(self, trial: FrozenTrial) -> bool:
        """Return whether a trial has begun, stored epochs or ended since the last look.

        It has begun once its parameters are stored: a tracker is told of them once.
        """
        if trial.number in self._ended:
            return False
        if trial.state.is_finished():
            return True
        if trial.number not in self._next:
            running = trial.state == TrialState.RUNNING and bool(trial.params)
            return running or bool(trial.intermediate_values)
        return _count_epochs(trial) > self._next[trial.number]

    def _tell(self, found: FrozenTrial, first: int, rows: list[dict[str, float]]) -> None:
        trial = describe_trial(found)
        if trial.number not in self._next:
            self._tracker.trial_started(trial)
            self._next[trial.number] = first
            self._count()
        for row in rows:
            metrics = {name: value for name, value in row.items() if name != "epoch"}
            self._tracker.epoch(trial, int(row["epoch"]), metrics)
            self._next[trial.number] = int(row["epoch"]) + 1
            self._count()
        if trial.is_finished:
            self._tracker.trial_ended(trial)
            self._ended.add(trial.number)
            self._count()

    def _count(self) -> None:
        self.delivered += 1


def _count_epochs(trial: FrozenTrial) -> int:
    return max(trial.intermediate_values, default=-1) + 1
