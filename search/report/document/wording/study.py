"""A study's report as a document."""

from __future__ import annotations

from collections.abc import Sequence

from objectives.base.plurals import count_noun
from search.report.document.content.study_report import StudyReport
from search.report.document.wording.answer import describe_answer
from search.report.document.wording.blocks import Document, Plot, Section, Text
from search.report.document.wording.classes import describe_classes
from search.report.document.wording.repetition import describe_repetition
from search.report.document.wording.space import describe_diagnosis, describe_notable, describe_space
from search.report.document.wording.spending import describe_cost, describe_pruning


def word_report(report: StudyReport, plots: Sequence[Plot], missing: Sequence[str] = ()) -> Document:
    """Return the report in words.

    missing: why plots are left out, a sentence for each.
    """
    drawn = Section(title="Plots", blocks=(*plots, *(Text(text) for text in missing)))
    return Document(
        title=report.study,
        summary=summarize(report),
        sections=(
            describe_answer(report),
            *([drawn] if drawn.blocks else []),
            *([] if report.confusion is None else [describe_classes(report.confusion)]),
            describe_diagnosis(report),
            describe_space(report),
            describe_pruning(report),
            describe_cost(report),
            describe_notable(report),
            describe_repetition(report),
        ),
    )


def summarize(report: StudyReport) -> str:
    """Return a line on the study: what it searched and how far it is."""
    states = report.states
    counts = ", ".join(
        f"{count} {name}"
        for name, count in (
            ("completed", states.complete),
            ("stopped", states.pruned),
            ("failed", states.fail),
            ("running", states.running),
            ("waiting", states.waiting),
        )
        if count
    )
    total = states.complete + states.pruned + states.fail + states.running + states.waiting
    held = f"{count_noun(total, 'trial')} ({counts})" if total else "no trials yet"
    budget = (
        "" if report.budget.trials is None else f", {report.budget.left} left of a budget of {report.budget.trials}"
    )
    return f"objective {report.objective}, {held}{budget}, {count_noun(report.cost.epochs, 'epoch')} trained"
