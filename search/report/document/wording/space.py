"""The space, the diagnosis of training, and the trials of note in words."""

from __future__ import annotations

from objectives.base.plurals import count_noun
from search.report.document.content.bounds import BoundWarning
from search.report.document.content.study_report import StudyReport
from search.report.document.wording.blocks import (
    Alert,
    Block,
    Code,
    Section,
    Text,
    format_share,
    format_value,
    tabulate,
)
from storage.errors import format_command


def describe_space(report: StudyReport) -> Section:
    """Return the space with a warning for each parameter whose best values sit at a bound."""
    blocks: list[Block] = [Alert(describe_bound(each)) for each in report.bounds]
    if any(each.override for each in report.bounds):
        words = [word for each in report.bounds if each.override for word in ("--set", each.override)]
        blocks.append(Text("A study's space does not change; a fork with another one keeps the trials that still fit:"))
        blocks.append(
            Code((format_command("run", "--study", report.study, "--fork", f"{report.study}-wider", *words),))
        )
    elif report.answer.best and not report.bounds:
        blocks.append(Text("No best value sits at a bound of its range."))
    blocks += _describe_importances(report)
    blocks.append(_tabulate_space(report))
    return Section(title="Space", blocks=tuple(blocks))


def _tabulate_space(report: StudyReport) -> Block:
    if any(condition for _, _, condition in report.space):
        return tabulate(("parameter", "range or choices", "exists for"), report.space)
    return tabulate(("parameter", "range or choices"), [row[:2] for row in report.space])


def describe_bound(warning: BoundWarning) -> str:
    """Return what to do about a bound in one sentence."""
    where = (
        f"the best value is {format_value(warning.value)}, and {warning.at_bound} of the best {warning.of} are near "
        f"the bound {format_value(warning.bound)}"
    )
    if warning.override is None:
        return f"{warning.parameter}: {where}, beyond which its limits allow nothing"
    return f"widen {warning.parameter} {warning.side}: --set {warning.override} ({where})"


def _describe_importances(report: StudyReport) -> list[Block]:
    if report.importances_missing:
        return [Text(f"Importances are left out: {report.importances_missing}.")]
    rows = [
        (each.name, format_share(each.share), f"{format_share(each.low)} to {format_share(each.high)}")
        for each in report.importances
    ]
    return [tabulate(("parameter", "importance", "in 8 of 10 resampled studies"), rows, is_drawn=True)]


def describe_diagnosis(report: StudyReport) -> Section:
    """Return what went wrong inside networks, and whether early epochs rank trials as late ones do."""
    blocks: list[Block] = []
    for fault in report.faults:
        of_best = " The best trial has it, too." if fault.is_best else ""
        example = "" if fault.example is None else f" Trial {fault.example}: {fault.text}."
        blocks.append(Text(f"{count_noun(fault.trials, 'trial')} with the fault {fault.kind!r}.{example}{of_best}"))
    if not report.faults:
        blocks.append(
            Text("No network that was measured shows a fault: those that ended have learned, or were stopped before.")
        )
    if report.reasons:
        rows = sorted(report.reasons.items(), key=lambda item: (-item[1], item[0]))
        blocks.append(tabulate(("trials that ended early, by reason", "trials"), rows))
    known = [(epoch, value) for epoch, value in enumerate(report.budget_correlation, start=1) if value is not None]
    if known:
        rows_of = [(epoch, f"{value:+.2f}") for epoch, value in known]
        blocks.append(tabulate(("epoch", "rank correlation with the final value"), rows_of, is_drawn=True))
    return Section(title="Diagnosis of training", blocks=tuple(blocks))


def describe_notable(report: StudyReport) -> Section:
    """Return the trials of note, each with its reason."""
    rows = [
        (each.trial, each.kind, each.detail + (f"; {each.more} more such" if each.more else ""))
        for each in report.notable
    ]
    block: Block = tabulate(("trial", "why", "detail"), rows) if rows else Text("None yet.")
    return Section(title="Trials of note", blocks=(block,))
