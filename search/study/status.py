"""The state of a study at this moment, read from the storage."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cached_property
from typing import TypeVar

import optuna
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Engine

from objectives.base.plurals import count_noun
from search.errors import StoredValueRefused, UsageError
from search.evaluation.results.stored import read_scores
from search.statistics.curves import find_best_epoch
from search.strategies.repeated.configurations import rank_configurations
from search.study.outline import COUNTED_NOTES, StudyOutline, measure_budget
from search.study.spec import StudySpec
from search.study.status_types import Budget, Status, WorkerState
from storage.database import Database
from storage.errors import UnknownStudy, UnreadableTrials
from storage.history.rows import TrialReader
from storage.leasing import workers
from storage.leasing.withdrawal import AnyTrial
from storage.records import studies
from storage.records.studies import StudyRecord
from storage.records.summaries import read_summaries

# A worker that has been silent for longer is not shown.
SILENT_SECONDS = 120.0

T = TypeVar("T", bound=AnyTrial)
_log = logging.getLogger(__name__)


class StudyView:
    """Reads a study repeatedly; Optuna's cache makes every reading of its trials after the first cheap."""

    def __init__(self, database: Database, name: str) -> None:
        """Find the study.

        Raises:
            UnknownStudy: the storage has no study of that name.
        """
        self._database = database
        self._name = name
        self.record = studies.get(database.engine, name)
        self.spec = StudySpec.from_json(self.record.spec)

    @cached_property
    def _study(self) -> optuna.Study:
        return optuna.load_study(study_name=self._name, storage=self._database.history)

    def trials(self) -> list[FrozenTrial]:
        """Return every trial, in the order of their numbers."""
        return self._study.get_trials(deepcopy=False)

    def find_trial(self, number: int) -> FrozenTrial:
        """Return the trial of that number.

        Raises:
            UsageError: the study has none.
        """
        trials = self.trials()
        if not 0 <= number < len(trials):
            held = count_noun(len(trials), "trial")
            raise UsageError(f"study {self.record.name!r} has {held}, counted from 0, but got {number}")
        return trials[number]

    def budget(self) -> Budget:
        """Read the study's budget and what is left of it."""
        self.record = studies.get(self._database.engine, self._name)
        return read_budget(self._database, self.record)

    def status(self, trials: Sequence[FrozenTrial] | None = None) -> Status:
        """Read the study's present state.

        trials: those of a reading just made; without them, no more of the trials is read than a status shows.

        Raises:
            UnknownStudy: the study was deleted.
        """
        engine = self._database.engine
        self.record = studies.get(engine, self._name)
        if trials is None:
            return read_status(engine, self.record)
        outline = StudyOutline(self.record, StudySpec.from_json(self.record.spec), trials)
        return _describe(engine, [outline], lambda trial: trial)[0]


def read_status(engine: Engine, record: StudyRecord) -> Status:
    """Read the state of a study.

    Raises:
        UnknownStudy: it was deleted.
    """
    for status in _read_statuses(engine, [(record, StudySpec.from_json(record.spec))]):
        return status
    raise UnknownStudy(record.name, studies.list_names(engine))


def read_all_statuses(engine: Engine) -> list[Status]:
    """Read the state of every study of a storage, the oldest first.

    A study whose rows were changed in the storage is left out, with a warning: the others can be listed.
    """
    parsed = [(record, _parse_spec(record)) for record in studies.list_records(engine)]
    found = [(record, spec) for record, spec in parsed if spec is not None]
    try:
        return _read_statuses(engine, found)
    except UnreadableTrials:
        return [status for one in found for status in _read_unless_unreadable(engine, one)]


def _read_unless_unreadable(engine: Engine, one: tuple[StudyRecord, StudySpec]) -> list[Status]:
    try:
        return _read_statuses(engine, [one])
    except UnreadableTrials as error:
        _log.warning("study %r is left out: %s", one[0].name, error)
        return []


def _parse_spec(record: StudyRecord) -> StudySpec | None:
    try:
        return StudySpec.from_json(record.spec)
    except StoredValueRefused as error:
        _log.warning("study %r is left out: %s", record.name, error)
        return None


def _read_statuses(engine: Engine, found: Sequence[tuple[StudyRecord, StudySpec]]) -> list[Status]:
    """Read the states of studies, in the same number of statements for any number of them.

    Returns:
        One for each study, in their order, without those that were deleted meanwhile.
    """
    read = read_summaries(engine, [record.study_id for record, _ in found], COUNTED_NOTES)
    outlines = [StudyOutline(record, spec, read[record.study_id]) for record, spec in found]
    whole = TrialReader(engine).read_some([trial.trial_id for outline in outlines for trial in outline.shown])
    there = [outline for outline in outlines if all(trial.trial_id in whole for trial in outline.shown)]
    return _describe(engine, there, lambda trial: whole[trial.trial_id])


def _describe(engine: Engine, outlines: Sequence[StudyOutline[T]], find: Callable[[T], FrozenTrial]) -> list[Status]:
    living = workers.find_living_of(engine, [outline.record.study_id for outline in outlines], SILENT_SECONDS)
    scores = read_scores(engine, [(outline.record.uuid, outline.spec.dataset) for outline in outlines])
    return [
        outline.describe(
            find,
            [WorkerState(**asdict(worker)) for worker in living[outline.record.study_id]],
            scores.get((outline.record.uuid, outline.spec.dataset)),
        )
        for outline in outlines
    ]


def read_budget(database: Database, record: StudyRecord) -> Budget:
    """Read the study's trials and return its budget and what is left of it."""
    return measure_budget(record, read_summaries(database.engine, [record.study_id], COUNTED_NOTES)[record.study_id])


def rank_trials(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    """Return the completed trials, the highest value first; of equal values, the earlier trial first."""
    completed = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    return sorted(completed, key=lambda trial: (-(trial.value or 0.0), trial.number))


def rank_completed(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    """Return the first trial of each configuration that is complete in all repeats, the highest mean first."""
    return [configuration.first for configuration in rank_configurations(trials)]


def best_trial(trials: list[FrozenTrial]) -> FrozenTrial | None:
    """Return the first trial of the completed configuration with the highest mean; None if none has completed."""
    return next(iter(rank_completed(trials)), None)


def best_epoch(trial: FrozenTrial) -> int | None:
    """Return the first epoch, counted from 0, with the trial's best value; None for a trial without a curve."""
    return find_best_epoch(trial.intermediate_values)
