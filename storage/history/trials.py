"""The trials of one study in memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterator, Mapping

from optuna.trial import FrozenTrial, TrialState

from storage.connecting.statements import Ask
from storage.history.rows import Known, News, ReadTrial, TrialReader
from storage.optuna_adapter import with_reports

OPEN = {TrialState.RUNNING, TrialState.WAITING}


class TrialHistory:
    """All trials of a study, in the order of their numbers. A trial that changes is replaced, never changed."""

    def __init__(self, reader: TrialReader, study_id: int) -> None:
        self._reader = reader
        self._study_id = study_id
        self.generation = -1
        """Higher after everything was read again: the server was started again, or a finished trial was voided."""
        self.revision = 0
        """Higher after every change."""
        self._basis: str | None = None
        self._forget()

    def update(self, ask: Ask | None = None) -> None:
        """Learn what has changed since the last call.

        Args:
            ask: As for `TrialReader.read_news`.

        Raises:
            KeyError: the study was deleted.
        """
        news = self._reader.read_news(self._study_id, self._describe_known(), ask)
        if self._basis not in (None, news.basis):
            # Another server, or the same one after a breakdown, may not have all that was read; or a trial was voided.
            self._forget()
            news = self._reader.read_news(self._study_id, self._describe_known())
        self._basis = news.basis
        self._absorb(news)

    def list_trials(self, states: Container[TrialState] | None = None) -> list[FrozenTrial]:
        """Return the trials, or those in one of the states."""
        if states is None:
            return list(self._trials)
        if not any(state in states for state in TrialState if state not in OPEN):
            return [trial for trial_id in sorted(self._open) if (trial := self.find(trial_id)).state in states]
        return [trial for trial in self._trials if trial.state in states]

    def find(self, trial_id: int) -> FrozenTrial:
        """Return a trial as it was at the last update.

        Raises:
            KeyError: it was not one of the study's.
        """
        return self._trials[self._places[trial_id]]

    def list_changed(self, revision: int) -> Iterator[FrozenTrial]:
        """Return the trials that have changed since a revision, the last ones first."""
        for trial_id in reversed(self._changes):
            if self._changes[trial_id] <= revision:
                return
            yield self.find(trial_id)

    def _forget(self) -> None:
        self.generation += 1
        self._trials: list[FrozenTrial] = []
        # By the trial's id: its place, its last epoch with its counted writes until it ends, and its last revision.
        self._places: dict[int, int] = {}
        self._open: dict[int, tuple[int, int | None]] = {}
        self._changes: dict[int, int] = {}

    def _describe_known(self) -> Known:
        return Known(
            trials=list(self._open),
            steps=[step for step, _ in self._open.values()],
            writes=[writes for _, writes in self._open.values()],
            last=next(reversed(self._places), -1),  # they are read in the order of their ids
        )

    def _absorb(self, news: News) -> None:
        for read in news.trials:
            self._replace(read)
        further: dict[int, dict[int, float]] = defaultdict(dict)
        for trial_id, step, value in news.epochs:
            further[trial_id][step] = value
        for trial_id, reports in further.items():
            self._extend(trial_id, reports)

    def _replace(self, read: ReadTrial) -> None:
        place = self._places.setdefault(read.trial_id, len(self._trials))
        if place == len(self._trials):
            self._trials.append(read.trial)
        elif self._trials[place] == read.trial and self._open.get(read.trial_id, (0, None))[1] == read.writes:
            return
        self._trials[place] = read.trial
        if read.trial.state in OPEN:
            self._open[read.trial_id] = (max(read.trial.intermediate_values, default=-1), read.writes)
        else:
            self._open.pop(read.trial_id, None)
        self._note_change(read.trial_id)

    def _extend(self, trial_id: int, reports: Mapping[int, float]) -> None:
        place = self._places[trial_id]
        self._trials[place] = with_reports(self._trials[place], reports)
        self._open[trial_id] = (max(reports), self._open[trial_id][1])
        self._note_change(trial_id)

    def _note_change(self, trial_id: int) -> None:
        self.revision += 1
        self._changes.pop(trial_id, None)
        self._changes[trial_id] = self.revision
