"""How `status` and `list` show studies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.cells import cell_len

from objectives.base.plurals import count_noun
from objectives.base.printable import escape_controls
from search.display.comparison_report import show_comparison
from search.display.formats import format_counts, format_seconds, shorten
from search.display.output import format_configuration, measure_width, print_table, say
from search.strategies.pruners.audit import PruningAudit
from search.study.spec import PolicyPeriod
from search.study.status_types import Status, WorkerState
from search.study.trials import describe_machines
from storage.leasing.workers import abbreviate

HEADINGS = ("study", "objective", "state", "trials", "best", "test", "workers")
SHORTEST_NAME = 12
"""Columns that a name has at least where names are cut."""


def show_status(status: Status) -> None:
    """Print a study's state."""
    for text in format_status(status):
        say(text)
    if status.comparison is not None:
        show_comparison(status.comparison)


def show_studies(found: Sequence[Status]) -> None:
    """Print one line for each study, the newest first; on a terminal, names that do not fit are cut."""
    if not found:
        say("no studies yet; start one with: search run --study digits-depth")
        return
    rows = [_row(status) for status in reversed(found)]
    lasts = [
        max(len(str(cell)) for cell in column) for column in zip(HEADINGS[2:], *(row[2:] for row in rows), strict=True)
    ]
    studies, objectives = fit_names(
        [row[0] for row in rows], [row[1] for row in rows], measure_width() - sum(lasts) - 2 * (len(HEADINGS) - 1)
    )
    print_table(HEADINGS, [(*names, *row[2:]) for *names, row in zip(studies, objectives, rows, strict=True)])


def fit_names(studies: Sequence[str], objectives: Sequence[str], columns: int) -> tuple[list[str], list[str]]:
    """Return names cut so that the longest of both fit into `columns`: the objectives first, then the studies."""
    longest = max(map(cell_len, [*studies, "study"]))
    objective = max(SHORTEST_NAME, columns - longest)
    needed = min(objective, max(map(cell_len, [*objectives, "objective"])))
    study = max(SHORTEST_NAME, columns - needed)
    return [shorten(name, study) for name in studies], [shorten(name, objective) for name in objectives]


def _row(status: Status) -> tuple[str, ...]:
    best, final = status.best, status.final
    return (
        escape_controls(status.study),
        escape_controls(Path(status.objective).name),
        describe_state(status),
        str(status.states.finished) + ("" if status.budget.trials is None else f"/{status.budget.trials}"),
        f"{best.value:.4f} (trial {best.trial})" if best else "",
        f"{final.test_accuracy:.4f}" if final else "",
        str(len(status.workers) or ""),
    )


def describe_state(status: Status) -> str:
    """Return what is happening to a study in one word."""
    if status.workers:
        return "paused" if status.control == "pause" else "training"
    if status.budget.left == 0:
        return "scored" if status.final else "done"
    return {"stop": "stopped", "pause": "paused", "run": "waiting"}.get(status.control, status.control)


def format_status(status: Status) -> list[str]:
    """Return a study's state in lines for people."""
    lines = [
        f"study {status.study} (objective {status.objective}): {format_counts(status) or 'no trials yet'}; "
        f"{_format_budget(status)} trained"
    ]
    if status.control != "run":
        how = "paused" if status.control == "pause" else "stopped"
        lines.append(f"{how}{f': {status.stop_reason}' if status.stop_reason else ''}")
    lines += [f"priority {status.priority}"] if status.priority else []
    lines += [_format_worker(worker) for worker in status.workers]
    lines += [f"trial {error.trial} failed: {error.error}" for error in status.errors]
    lines += [f"trial {one.trial} is void: {one.reason} (it was {one.was}; nothing counts it)" for one in status.voided]
    lines += format_diagnoses(status)
    audit = format_audit(status.pruning)
    lines += [] if audit is None else [audit]
    lines += [f"search policy {format_policies(status.policies)}"] if len(status.policies) > 1 else []
    best, final = status.best, status.final
    if best is not None:
        lines.append(f"best validation accuracy {best.value:.4f} (trial {best.trial})")
        lines += format_configuration(best.params)
        lines += [f"the best trial was {describe_machines(best.machines)}"] if best.machines else []
    if final is not None:
        lines.append(f"test accuracy {final.test_accuracy:.4f}, scored {final.scored_at}")
        lines += [] if final.doubt is None else [f"note: {final.doubt}"]
    return lines


def format_diagnoses(status: Status) -> list[str]:
    """Return a line for each fault inside networks: how many trials have it, and the last one's in words."""
    last = {fault.kind: (one.trial, fault) for one in status.diagnoses for fault in one.faults}
    found = [(status.faults.get(kind, 1), trial, fault.text) for kind, (trial, fault) in last.items()]
    lines = [f"trial {trial}{_format_others(count - 1)}: {text}" for count, trial, text in found]
    best = status.best
    diagnosed = [one for one in status.diagnoses if best is not None and one.trial == best.trial]
    return lines + [f"the best trial did not learn, either: {one.faults[0].text}" for one in diagnosed]


def _format_others(count: int) -> str:
    return f" (and {count} earlier)" if count else ""


def format_policies(policies: Sequence[PolicyPeriod]) -> str:
    """Return the search policies that a study has had, the present one last: `curves/1, from trial 12 on curves/2`."""
    first, *later = policies
    return first.policy + "".join(f", from trial {one.first_trial} on {one.policy}" for one in later)


def format_upgrade(study: str, policies: Sequence[PolicyPeriod] | None) -> str:
    """Return what an upgrade did to a study; `policies` are None if it had this program's search policy already."""
    if policies is None:
        return f"study {study} has the search policy of this program; there is nothing to upgrade"
    return f"study {study} has the search policy {format_policies(policies)}"


def _format_budget(status: Status) -> str:
    budget, trained = status.budget, status.epochs_trained
    left = "" if budget.trials is None else f"{budget.left} left of {budget.trials}, "
    return f"{left}{count_noun(trained, 'epoch') if budget.epochs is None else f'{trained} of {budget.epochs} epochs'}"


def _format_worker(worker: WorkerState) -> str:
    if worker.trial is None:
        doing = "between trials"
    elif worker.epoch is None:
        doing = f"trial {worker.trial}, in its first epoch"
    else:
        pace = "" if worker.epoch_s is None else f", {format_seconds(worker.epoch_s)} s an epoch"
        doing = f"trial {worker.trial}, epoch {worker.epoch + 1}{pace}"
    leaves = ", then leaves" if worker.leaves else ""
    name = f"worker {abbreviate(worker.id)} on {worker.host} {worker.device}"
    return f"{name}: {doing}{leaves}, last seen {worker.beat_s:.0f} s ago"


def format_audit(audit: PruningAudit) -> str | None:
    """Return what is known of pruning's cost in one sentence; None if no stopped trial was trained to its end."""
    if audit.share_95 is None:
        return None
    trained = f"{audit.audited} of them {'was' if audit.audited == 1 else 'were'} trained to the end"
    gain = f", by up to {audit.gain:.4f}" if audit.better else ""
    return (
        f"pruning stopped {count_noun(audit.stopped, 'trial')} early. As a check, {trained}: "
        f"{audit.better or 'none'} beat the best of the others{gain} "
        f"(with 95% confidence, at most {audit.share_95[1]:.0%} of the stopped trials would have)"
    )
