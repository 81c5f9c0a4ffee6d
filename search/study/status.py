"""The state of a study at this moment, read from the storage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, fields

import optuna
from optuna.trial import FrozenTrial, TrialState

from objectives.base.plurals import count_noun
from search.errors import UsageError
from search.evaluation.results.stored import read_score
from search.statistics.curves import find_best_epoch
from search.strategies.budgets import share_slots
from search.strategies.pruners.audit import summarize_audit
from search.strategies.repeated.comparison import compare_configurations
from search.strategies.repeated.configurations import Repeated, group_trials, rank_complete, rank_configurations
from search.strategies.repeated.view import merge_all
from search.study.spec import StudySpec
from search.study.status_types import (
    BestTrial,
    Budget,
    Status,
    TrialCounts,
    TrialDiagnosis,
    TrialError,
    VoidedTrial,
    WorkerState,
)
from search.study.trials import read_faults, read_machines
from storage.database import Database
from storage.leasing import workers
from storage.leasing.repeats import VOID
from storage.leasing.slots import limit_trials
from storage.leasing.withdrawal import VOIDED_FROM, is_void, is_withdrawn
from storage.records import studies
from storage.records.studies import StudyRecord

# A worker that has been silent for longer is not shown.
SILENT_SECONDS = 120.0
SHOWN_ERRORS = 10


class StudyView:
    """Reads a study repeatedly; Optuna's cache makes every reading after the first cheap."""

    def __init__(self, database: Database, name: str) -> None:
        """Find the study.

        Raises:
            UnknownStudy: the storage has no study of that name.
        """
        self._database = database
        self._name = name
        self.record = studies.get(database.engine, name)
        self.spec = StudySpec.from_json(self.record.spec)
        self._study = optuna.load_study(study_name=name, storage=database.history)

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

    def status(self, trials: list[FrozenTrial] | None = None) -> Status:
        """Read the study's present state; `trials` are those of a reading just made, if there was one."""
        engine = self._database.engine
        if trials is None:
            trials = self.trials()
        counted = [trial for trial in trials if not is_void(trial)]
        self.record = studies.get(engine, self._name)
        configurations = group_trials(trials)
        ranked = rank_complete(configurations)
        return Status(
            study=self.record.name,
            objective=self.spec.objective,
            direction="maximize",
            states=count_states(trials),
            reasons=dict(Counter(t.user_attrs["reason"] for t in trials if "reason" in t.user_attrs)),
            budget=measure_budget(self.record, trials),
            epochs_trained=count_epochs(trials),
            best=describe_best(ranked),
            workers=self._workers(),
            final=read_score(engine, self.record.uuid, self.spec.dataset, find_void_reasons(trials)),
            control=self.record.control,
            stop_reason=self.record.reason,
            errors=recent_errors(trials),
            pruning=summarize_audit(merge_all([group for group in configurations if not is_void(group.first)])),
            comparison=compare_configurations(trials) if share_slots(self.spec).are_shared else None,
            policies=StudySpec.from_json(self.record.spec).policy_periods,
            faults=dict(Counter(fault.kind for trial in counted for fault in read_faults(trial))),
            diagnoses=recent_diagnoses(counted, ranked),
            priority=self.record.priority,
            voided=list_voided(trials),
        )

    def _workers(self) -> tuple[WorkerState, ...]:
        found = workers.find_living(self._database.engine, self.record.study_id, SILENT_SECONDS)
        return tuple(WorkerState(**asdict(worker)) for worker in found)


def count_states(trials: list[FrozenTrial]) -> TrialCounts:
    """Return how many trials are in each of Optuna's states."""
    counted = Counter(trial.state.name.lower() for trial in trials)
    return TrialCounts(**{field.name: counted[field.name] for field in fields(TrialCounts)})


def count_finished(trials: list[FrozenTrial]) -> int:
    """Return how many trials count towards the budget for good."""
    return sum(trial.state in (TrialState.COMPLETE, TrialState.PRUNED) for trial in trials)


def count_epochs(trials: list[FrozenTrial]) -> int:
    """Return how many epochs of the trials are stored, those of voided trials left out."""
    return sum(len(trial.intermediate_values) for trial in trials if not is_void(trial))


def measure_budget(record: StudyRecord, trials: list[FrozenTrial]) -> Budget:
    """Return a study's budget and what is left of it; without anything left, the study is done.

    Once the epochs of the budget are stored, the trials that run are left: they finish, and no other begins.
    """
    left = max(0, limit_trials(record.trials, record.epoch_budget) - count_finished(trials))
    known: int | None = left
    if record.epoch_budget is not None:
        if count_epochs(trials) >= record.epoch_budget:
            known = min(left, sum(trial.state == TrialState.RUNNING for trial in trials))
        elif record.trials is None and left:
            known = None
    return Budget(trials=record.trials, left=known, epochs=record.epoch_budget)


def read_budget(database: Database, record: StudyRecord) -> Budget:
    """Read the study's trials and return its budget and what is left of it."""
    study = optuna.load_study(study_name=record.name, storage=database.history)
    return measure_budget(record, study.get_trials(deepcopy=False))


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


def describe_best(ranked: Sequence[Repeated]) -> BestTrial | None:
    """Return the best trial of configurations that are ranked; None if there are none."""
    return describe_ranked(ranked[0]) if ranked else None


def describe_ranked(configuration: Repeated) -> BestTrial:
    """Return a completed configuration, by its first trial."""
    first = configuration.first
    return BestTrial(
        trial=first.number,
        value=configuration.mean or 0.0,
        epoch=best_epoch(first),
        params=dict(first.params),
        machines=read_machines(first),
    )


def recent_errors(trials: list[FrozenTrial]) -> tuple[TrialError, ...]:
    """Return the errors of the last ten trials that failed."""
    failed = [trial for trial in trials if trial.state == TrialState.FAIL and not is_withdrawn(trial)]
    return tuple(
        TrialError(trial=trial.number, error=trial.user_attrs.get("error"), traceback=trial.user_attrs.get("traceback"))
        for trial in failed[-SHOWN_ERRORS:]
    )


def find_void_reasons(trials: Sequence[FrozenTrial]) -> dict[int, str]:
    """Return why trials were voided, by their numbers."""
    return {trial.number: str(trial.user_attrs[VOID]) for trial in trials if is_void(trial)}


def list_voided(trials: list[FrozenTrial]) -> tuple[VoidedTrial, ...]:
    """Return the trials that were voided."""
    return tuple(
        VoidedTrial(trial=trial.number, reason=str(trial.user_attrs[VOID]), was=str(trial.user_attrs.get(VOIDED_FROM)))
        for trial in trials
        if is_void(trial)
    )


def recent_diagnoses(trials: list[FrozenTrial], ranked: Sequence[Repeated]) -> tuple[TrialDiagnosis, ...]:
    """Return what went wrong inside the networks of the last ten trials that did not learn, and of the best trial.

    ranked: the study's complete configurations, the best one first.
    """
    best = ranked[0].first if ranked else None
    faulty = [trial for trial in trials if "diagnosis" in trial.user_attrs and read_faults(trial)]
    earlier, shown = faulty[:-SHOWN_ERRORS], faulty[-SHOWN_ERRORS:]
    shown = [trial for trial in earlier if trial is best] + shown
    return tuple(TrialDiagnosis(trial=trial.number, faults=read_faults(trial)) for trial in shown)
