"""An open study: its storage, its record, and what this machine trains it with."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial

from objectives.base.names import is_path
from objectives.data.files.decoded import Progress as Decoding
from search.connection import storage_url
from search.settings import Settings
from search.study import create
from search.study.fork import fork_study
from search.study.plan import ResolvedStudy, StudyRequest
from search.study.status import StudyView, best_trial
from search.study.status_types import Status
from search.study.trials import Curve, Trial, Trials, build_curve, describe_trial
from storage import url
from storage.database import Database, open_database
from storage.optuna_adapter import get_trial_id
from storage.records import epochs, studies
from storage.records.studies import StudyRecord


class Session:
    """One study in an open storage; the embedded server runs until `close`."""

    def __init__(
        self,
        settings: Settings,
        opener: Callable[[Database], tuple[StudyRecord, ResolvedStudy | None]],
        objective: str | None = None,
    ) -> None:
        """Open the storage that the settings name and, in it, the study that `opener` finds or creates.

        objective: the reference that workers get; None for what the study was created with.

        Raises:
            StorageError: the storage cannot be reached, or does not have the study.
        """
        self.settings = settings
        with ExitStack() as resources:
            self.address = resources.enter_context(storage_url(settings))
            self.database = resources.enter_context(open_database(url.parse(self.address)))
            record, self.plan = opener(self.database)
            self.view = StudyView(self.database, record.name)
            self._resources = resources.pop_all()
        # A path must hold in a process with another working folder, too.
        self.objective = objective if objective is None or not is_path(objective) else str(Path(objective).resolve())

    @property
    def record(self) -> StudyRecord:
        """The study's record as it was read last."""
        return self.view.record

    def close(self) -> None:
        """Close the storage; a second call does nothing."""
        self._resources.close()

    def resume(self, request: StudyRequest, decoding: Decoding | None = None) -> ResolvedStudy:
        """Check that the study can continue as requested, and change its budget and priority.

        Raises:
            UsageError: it was created with other values, has a larger budget, or was moved to another storage.
        """
        if self.plan is None:
            _, self.plan = create.resume_study(self.database, request, self.settings, decoding)
        else:
            record = studies.get(self.database.engine, self.record.name)
            create.check_not_moved(record)
            create.check_policy(self.database, record, request, self.plan)
            create.change_study(self.database, record, request, self.plan)
        return self.plan

    def trials(self) -> Trials:
        """Read every trial."""
        return _describe_all(self.view.trials())

    def status_and_trials(self) -> tuple[Status, Trials]:
        """Read the study's state and every trial, both from one reading."""
        trials = self.view.trials()
        return self.view.status(trials), _describe_all(trials)

    def best(self) -> Trial | None:
        """Read the completed trial with the highest value; None if no trial has completed."""
        best = best_trial(self.view.trials())
        return None if best is None else describe_trial(best)

    def curve(self, number: int) -> Curve:
        """Read every metric of a trial's epochs, and what was measured inside its network.

        Raises:
            UsageError: the study has no trial of that number.
        """
        engine, trial_id = self.database.engine, get_trial_id(self.view.find_trial(number))
        return build_curve(number, epochs.read_curve(engine, trial_id), epochs.read_layers(engine, trial_id))

    def load_optuna(self) -> optuna.Study:
        """Load the study as Optuna's own object."""
        return optuna.load_study(study_name=self.record.name, storage=self.database.history)


def _describe_all(trials: list[FrozenTrial]) -> Trials:
    return Trials([describe_trial(trial) for trial in trials])


def open_session(name: str, settings: Settings, objective: str | None = None) -> Session:
    """Open a study that exists.

    Raises:
        StorageError: the storage cannot be reached, or has no study of that name.
    """
    return Session(settings, lambda database: (studies.get(database.engine, name), None), objective)


def create_session(request: StudyRequest, settings: Settings, decoding: Decoding | None = None) -> Session:
    """Create the study that the request names, or its fork; open it if it exists.

    Raises:
        UsageError: it exists and was created with other values.
        StorageError: the storage cannot be reached, or a fork's name is taken.
    """
    make = create.create_or_continue if request.fork is None else fork_study
    return Session(settings, lambda database: make(database, request, settings, decoding), request.objective)


def resume_session(request: StudyRequest, settings: Settings, decoding: Decoding | None = None) -> Session:
    """Open a study that exists, check that it can continue as requested, and change its budget and priority.

    Raises:
        UnknownStudy: there is no such study.
        UsageError: it was created with other values.
    """
    return Session(
        settings, lambda database: create.resume_study(database, request, settings, decoding), request.objective
    )
