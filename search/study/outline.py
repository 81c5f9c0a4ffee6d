"""The state of a study from its trials: what is counted of all of them, then what is shown of a few.

Of all trials a summary is enough; those that are shown are known once all are counted, and are read whole then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Generic, TypeVar

from optuna.trial import FrozenTrial, TrialState

from search.evaluation.results.score import Score
from search.evaluation.results.stored import note_void
from search.statistics.curves import find_best_epoch
from search.strategies.budgets import share_slots
from search.strategies.pruners.audit import AUDITED, summarize_audit
from search.strategies.repeated.comparison import compare_configurations
from search.strategies.repeated.configurations import Repeated, group_trials, rank_complete
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
from search.study.trials import DIAGNOSIS, read_faults, read_machines
from storage.leasing.repeats import CONFIGURATION, REPEAT, REPEATS, VOID
from storage.leasing.slots import limit_trials
from storage.leasing.withdrawal import VOIDED_FROM, AnyTrial, is_void, is_withdrawn
from storage.records.studies import StudyRecord

COUNTED_NOTES = ("reason", CONFIGURATION, REPEAT, REPEATS, AUDITED, VOID, VOIDED_FROM, DIAGNOSIS)
"""The user attributes that a summary of a trial has."""
SHOWN_ERRORS = 10

T = TypeVar("T", bound=AnyTrial)


class StudyOutline(Generic[T]):
    """What counting a study's trials tells of it."""

    def __init__(self, record: StudyRecord, spec: StudySpec, trials: Sequence[T]) -> None:
        """Group the trials, which are in the order of their numbers, and rank their configurations."""
        self.record = record
        self.spec = spec
        self._trials = trials
        self._configurations = group_trials(trials)
        self._ranked = rank_complete(self._configurations)
        self._failed = find_failed(trials)[-SHOWN_ERRORS:]
        self._compares = share_slots(spec).are_shared

    @property
    def shown(self) -> list[T]:
        """The trials that `describe` needs whole."""
        compared = self._configurations if self._compares else self._ranked[:1]
        return [*(group.first for group in compared), *self._failed]

    def describe(self, find: Callable[[T], FrozenTrial], workers: Sequence[WorkerState], final: Score | None) -> Status:
        """Return the study's state.

        Args:
            find: Returns one of the trials that are shown as a whole.
            workers: That train the study.
            final: Its score on the test set; None before the final step.
        """
        trials, record, configurations = self._trials, self.record, self._configurations
        counted = [trial for trial in trials if not is_void(trial)]
        best = next(iter(self._ranked), None)
        return Status(
            study=record.name,
            objective=self.spec.objective,
            direction="maximize",
            states=count_states(trials),
            reasons=dict(Counter(t.user_attrs["reason"] for t in trials if "reason" in t.user_attrs)),
            budget=measure_budget(record, trials),
            epochs_trained=count_epochs(trials),
            best=None if best is None else describe_best(best, find(best.first)),
            workers=tuple(workers),
            final=None if final is None else note_void(final, find_void_reasons(trials)),
            control=record.control,
            stop_reason=record.reason,
            errors=tuple(describe_error(find(trial)) for trial in self._failed),
            pruning=summarize_audit(list_as_trials(configurations)),
            comparison=compare_configurations(configurations, find) if self._compares else None,
            policies=self.spec.policy_periods,
            faults=dict(Counter(fault.kind for trial in counted for fault in read_faults(trial))),
            diagnoses=list_diagnoses(counted, best),
            priority=record.priority,
            voided=list_voided(trials),
        )


def count_states(trials: Sequence[AnyTrial]) -> TrialCounts:
    """Return how many trials are in each of Optuna's states."""
    counted = Counter(trial.state.name.lower() for trial in trials)
    return TrialCounts(**{field.name: counted[field.name] for field in fields(TrialCounts)})


def count_finished(trials: Sequence[AnyTrial]) -> int:
    """Return how many trials count towards the budget for good."""
    return sum(trial.state in (TrialState.COMPLETE, TrialState.PRUNED) for trial in trials)


def count_epochs(trials: Sequence[AnyTrial]) -> int:
    """Return how many epochs of the trials are stored, those of voided trials left out."""
    return sum(len(trial.intermediate_values) for trial in trials if not is_void(trial))


def measure_budget(record: StudyRecord, trials: Sequence[AnyTrial]) -> Budget:
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


def list_as_trials(configurations: Sequence[Repeated[T]]) -> list[AnyTrial]:
    """Return configurations as trials, the voided ones left out: where a trial has one of its own, that trial."""
    return [
        group.trials[0] if len(group.trials) == 1 and group.repeats == 1 else group
        for group in configurations
        if not is_void(group.first)
    ]


def describe_best(configuration: Repeated[T], first: FrozenTrial) -> BestTrial:
    """Return a completed configuration, by its first trial."""
    return BestTrial(
        trial=first.number,
        value=configuration.mean or 0.0,
        epoch=find_best_epoch(first.intermediate_values),
        params=dict(first.params),
        machines=read_machines(first),
    )


def find_failed(trials: Sequence[T]) -> list[T]:
    """Return the trials that failed by themselves."""
    return [trial for trial in trials if trial.state == TrialState.FAIL and not is_withdrawn(trial)]


def describe_error(trial: FrozenTrial) -> TrialError:
    """Return why a trial failed."""
    notes = trial.user_attrs
    return TrialError(trial=trial.number, error=notes.get("error"), traceback=notes.get("traceback"))


def find_void_reasons(trials: Sequence[AnyTrial]) -> dict[int, str]:
    """Return why trials were voided, by their numbers."""
    return {trial.number: str(trial.user_attrs[VOID]) for trial in trials if is_void(trial)}


def list_voided(trials: Sequence[AnyTrial]) -> tuple[VoidedTrial, ...]:
    """Return the trials that were voided."""
    return tuple(
        VoidedTrial(trial=trial.number, reason=str(trial.user_attrs[VOID]), was=str(trial.user_attrs.get(VOIDED_FROM)))
        for trial in trials
        if is_void(trial)
    )


def list_diagnoses(trials: Sequence[AnyTrial], best: Repeated[T] | None) -> tuple[TrialDiagnosis, ...]:
    """Return what went wrong inside the networks of the last ten trials that did not learn, and of the best trial.

    best: the best of the complete configurations; None if there is none.
    """
    number = None if best is None else best.first.number
    faulty = [trial for trial in trials if read_faults(trial)]
    earlier, shown = faulty[:-SHOWN_ERRORS], faulty[-SHOWN_ERRORS:]
    shown = [trial for trial in earlier if trial.number == number] + shown
    return tuple(TrialDiagnosis(trial=trial.number, faults=read_faults(trial)) for trial in shown)
