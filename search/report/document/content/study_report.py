"""A study's report: all its sections as frozen values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from search.errors import NothingToDo
from search.evaluation.results.score import Score
from search.report.document.content.answer import Answer, build_answer
from search.report.document.content.bounds import FEW, BoundWarning, find_bounds
from search.report.document.content.classes import ClassConfusion, summarize_confusion
from search.report.document.content.cost import Cost, measure_cost
from search.report.document.content.diagnosis import FaultSummary, summarize_faults
from search.report.document.content.facts import StudyFacts
from search.report.document.content.notable import NotableTrial, find_notable
from search.report.document.content.pruning import PruningCost, measure_pruning
from search.report.document.content.repetition import Repetition, describe_repetition
from search.report.importances import Importance, measure_importances
from search.report.plots.data import accuracies, sample_evenly
from search.report.plots.training import correlate_budgets
from search.strategies.repeated.configurations import rank_configurations
from search.study.status_types import Budget, TrialCounts

MOST_WEIGHED = 500
"""Completed trials that importances are measured on: with more, from every rank, it would take a minute."""


@dataclass(frozen=True, kw_only=True)
class StudyReport:
    """Everything that a report says in numbers."""

    study: str
    objective: str
    state: str
    """`run`, or why workers take no more trials."""
    states: TrialCounts
    reasons: Mapping[str, int]
    """How many trials ended early, by the reason."""
    budget: Budget
    answer: Answer
    space: tuple[tuple[str, str, str], ...]
    """Rows of parameter, range or choices, condition."""
    bounds: tuple[BoundWarning, ...]
    importances: tuple[Importance, ...]
    """The highest first; empty with too few trials."""
    importances_missing: str
    """Why there are no importances; empty if there are."""
    budget_correlation: tuple[float | None, ...]
    """Spearman's rank correlation of the best value up to each epoch with the final one; empty without five trials."""
    confusion: ClassConfusion | None
    """None if the best trial has stored no matrix."""
    faults: tuple[FaultSummary, ...]
    pruning: PruningCost
    cost: Cost
    notable: tuple[NotableTrial, ...]
    repetition: Repetition

    def to_json(self) -> dict[str, Any]:
        """Return the document of `search report --format json`."""
        return dict(convert(self))


def build_report(facts: StudyFacts, accepts: Callable[[str], bool]) -> StudyReport:
    """Return a study's report.

    accepts: whether an override `name=low:high` keeps to a parameter's limits.
    """
    space = facts.spec.read_space()
    best = [group.first.params for group in rank_configurations(facts.trials)[:FEW]]
    importances, missing = _weigh(facts)
    curves = [accuracies(trial) for trial in facts.completed]
    return StudyReport(
        study=facts.name,
        objective=facts.spec.objective,
        state=facts.status.control,
        states=facts.status.states,
        reasons=dict(facts.status.reasons),
        budget=facts.status.budget,
        answer=build_answer(facts),
        space=tuple(space.describe()),
        bounds=tuple(find_bounds(space, best, accepts)),
        importances=importances,
        importances_missing=missing,
        budget_correlation=tuple(correlate_budgets(curves)) if len(curves) >= FEW else (),
        confusion=summarize_confusion(facts),
        faults=tuple(summarize_faults(facts)),
        pruning=measure_pruning(facts),
        cost=measure_cost(facts),
        notable=tuple(find_notable(facts)),
        repetition=describe_repetition(facts),
    )


def _weigh(facts: StudyFacts) -> tuple[tuple[Importance, ...], str]:
    try:
        return tuple(measure_importances(sample_evenly(facts.completed, MOST_WEIGHED), facts.name)), ""
    except NothingToDo as missing:
        return (), str(missing)


def convert(value: Any) -> Any:
    """Return plain JSON values; a score as `final --json` prints it."""
    if isinstance(value, Score):
        return value.to_json()
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: convert(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {str(key): convert(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [convert(each) for each in value]
    return value
