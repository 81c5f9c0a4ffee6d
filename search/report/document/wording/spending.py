"""What pruning saved and cost, and what the study cost, in words."""

from __future__ import annotations

from objectives.base.plurals import count_noun
from search.report.document.content.cost import UNKNOWN, Cost
from search.report.document.content.pruning import PruningCost
from search.report.document.content.study_report import StudyReport
from search.report.document.wording.blocks import Block, Section, Text, format_hours, format_share, tabulate


def describe_pruning(report: StudyReport) -> Section:
    """Return what stopping trials early saved, and what the trials that ran on say about its price."""
    pruning = report.pruning
    if not pruning.stopped and not pruning.audit.stopped:
        return Section(title="What pruning cost", blocks=(Text("No trial was stopped by a pruner."),))
    blocks: list[Block] = [Text(describe_savings(pruning)), Text(describe_audit(pruning))]
    return Section(title="What pruning cost", blocks=tuple(blocks))


def describe_savings(pruning: PruningCost) -> str:
    """Return what was trained and what was not."""
    return (
        f"The pruner stopped {count_noun(pruning.stopped, 'trial')} after "
        f"{count_noun(pruning.stopped_epochs, 'epoch')} of training. All trials together trained "
        f"{count_noun(pruning.trained, 'epoch')}, as many as {pruning.full_trainings:.1f} full trainings of "
        f"{pruning.epochs}; without stopping they would have taken up to {pruning.trained + pruning.spared}: "
        f"{format_share(pruning.spared_share)} were spared."
    )


def describe_audit(pruning: PruningCost) -> str:
    """Return how many stops were wrong, as far as trials that ran on tell."""
    audit = pruning.audit
    if audit.share_95 is None:
        return (
            "Whether a stop was wrong is not known: no stopped trial was trained to its end as a check (--audit SHARE)."
        )
    low, high = audit.share_95
    wrong = (
        f"{audit.better} of them beat the best of all others" if audit.better else "none beat the best of all others"
    )
    gain = f", by up to {audit.gain:.4f}" if audit.better else ""
    ran = f"{count_noun(audit.audited, 'trial')} that it would have stopped ran on to the end"
    return (
        f"As a check, {ran}, for {count_noun(audit.epochs, 'epoch')} more: {wrong}{gain}. With 95% confidence, "
        f"{format_share(low)} to {format_share(high)} of the {count_noun(audit.stopped, 'stopped trial')} would have."
    )


def describe_cost(report: StudyReport) -> Section:
    """Return epochs, times and energy."""
    cost = report.cost
    rows: list[tuple[str, str]] = [("epochs trained", str(cost.epochs))]
    if cost.best_after is not None:
        rows.append(("epochs until the best trial had ended", str(cost.best_after)))
    if cost.device_hours:
        rows.append(("time of training on all devices", format_hours(cost.hours)))
        rows += [
            (f"on {device}", format_hours(hours)) for device, hours in cost.device_hours.items() if device != UNKNOWN
        ]
    if cost.wall_hours is not None:
        rows.append(("from the first epoch to the last one, pauses included", format_hours(cost.wall_hours)))
    rows += list_energy(cost)
    blocks: list[Block] = [tabulate(("what", "how much"), rows)]
    if cost.timed_epochs < cost.epochs:
        missing = count_noun(cost.epochs - cost.timed_epochs, "epoch")
        blocks.append(Text(f"{missing} did not store how long they took, and are not in the times."))
    if cost.energy_kwh is not None:
        blocks.append(Text(describe_energy(cost)))
    return Section(title="Cost", blocks=tuple(blocks))


def list_energy(cost: Cost) -> list[tuple[str, str]]:
    """Return rows of what GPUs took; none if they do not tell."""
    rows: list[tuple[str, str]] = []
    if cost.energy_kwh is not None:
        measured = cost.epochs - cost.unmeasured_epochs
        each = f" ({format_energy(cost.energy_kwh / measured)} an epoch)" if measured else ""
        rows.append(("energy of the trials' GPUs", f"{format_energy(cost.energy_kwh)}{each}"))
    if cost.final_energy_kwh is not None:
        rows.append(("energy of the final step's GPU", format_energy(cost.final_energy_kwh)))
    return rows


def describe_energy(cost: Cost) -> str:
    """Return what the energy is, and what is not in it."""
    missing = (
        f" {count_noun(cost.unmeasured_epochs, 'epoch')} trained on devices that do not tell theirs."
        if cost.unmeasured_epochs
        else ""
    )
    return (
        "Energy is what the GPUs counted while trials trained on them, divided equally among those that shared one; "
        f"idle GPUs, processors, memory and cooling are not in it.{missing}"
    )


def format_energy(kwh: float) -> str:
    """Return an energy in the unit that people would use."""
    if kwh >= 1:
        return f"{kwh:,.2f} kWh"
    return f"{kwh * 1000:.1f} Wh" if kwh * 1000 >= 1 else f"{kwh * 1e6:.1f} mWh"
