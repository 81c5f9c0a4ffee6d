"""Trials of note, each with the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from optuna.trial import FrozenTrial, TrialState

from search.report.document.content.facts import StudyFacts
from search.report.plots.data import best_so_far
from search.study.trials import describe_machines, read_machines
from storage.leasing.repeats import VOID
from storage.leasing.withdrawal import is_void, is_withdrawn

Kind = Literal[
    "best", "diverged", "out of memory", "failed", "void", "longest", "resumed most", "other machine", "late bloomer"
]
SHOWN = 3
"""Trials of one kind that are named; the others are counted."""
FEWEST_RANKED = 10
"""Completed trials below which none is called a late bloomer."""


@dataclass(frozen=True, kw_only=True)
class NotableTrial:
    """A trial and why it is worth a look."""

    kind: Kind
    trial: int
    detail: str
    """In words, with its numbers."""
    more: int = 0
    """Further trials of this kind that are not named; with the last one that is."""


def find_notable(facts: StudyFacts) -> list[NotableTrial]:
    """Return the trials of note, by kind."""
    return [
        *_find_best(facts),
        *_find_ended(facts, "diverged", lambda trial: trial.user_attrs.get("reason") == "diverged"),
        *_find_ended(facts, "out of memory", lambda trial: trial.user_attrs.get("reason") == "out of memory"),
        *_find_ended(facts, "failed", lambda trial: trial.state == TrialState.FAIL and not is_withdrawn(trial)),
        *_find_ended(facts, "void", is_void),
        *_find_longest(facts),
        *_find_resumed(facts),
        *_find_on_other_machines(facts),
        *_find_late_bloomers(facts),
    ]


def _find_best(facts: StudyFacts) -> Iterator[NotableTrial]:
    best = facts.status.best
    if best is not None:
        at = "" if best.epoch is None else f" at epoch {best.epoch + 1} of {facts.spec.epochs}"
        yield NotableTrial(kind="best", trial=best.trial, detail=f"validation accuracy {best.value:.4f}{at}")


def _find_ended(facts: StudyFacts, kind: Kind, belongs: Callable[[FrozenTrial], bool]) -> Iterator[NotableTrial]:
    found = [trial for trial in facts.trials if belongs(trial)]
    shown = found[-SHOWN:]
    for trial in shown:
        error = str(
            trial.user_attrs.get(VOID)
            or trial.user_attrs.get("error")
            or f"after {len(trial.intermediate_values)} epochs"
        )
        peak = trial.user_attrs.get("peak_bytes")
        detail = error if not peak else f"{error} (peak {int(peak) / 2**30:.1f} GiB)"
        more = len(found) - len(shown) if trial is shown[-1] else 0
        yield NotableTrial(kind=kind, trial=trial.number, detail=detail, more=more)


def _find_longest(facts: StudyFacts) -> Iterator[NotableTrial]:
    spent = {
        number: sum(each.seconds for each in epochs if each.seconds is not None)
        for number, epochs in facts.reported.items()
    }
    longest = max(spent, key=lambda number: (spent[number], -number), default=None)
    if longest is not None and spent[longest] > 0:
        count, mean = len(facts.reported[longest]), sum(spent.values()) / len(spent)
        detail = f"{spent[longest]:.3g} s of training in {count} epochs; a trial took {mean:.3g} s on average"
        yield NotableTrial(kind="longest", trial=longest, detail=detail)


def _find_resumed(facts: StudyFacts) -> Iterator[NotableTrial]:
    """Find the trial that the most leases trained, one after another."""
    leases = {
        number: len(list(groupby(epochs, key=lambda each: each.token))) for number, epochs in facts.reported.items()
    }
    most = max(leases, key=lambda number: (leases[number], -number), default=None)
    if most is not None and leases[most] > 1:
        times = leases[most] - 1
        others = sum(count > 1 for count in leases.values()) - 1
        detail = f"interrupted and resumed {'once' if times == 1 else f'{times} times'}"
        yield NotableTrial(kind="resumed most", trial=most, detail=detail, more=others)


def _find_on_other_machines(facts: StudyFacts) -> Iterator[NotableTrial]:
    """Find trials that another kind of machine resumed."""
    found = [trial for trial in facts.trials if read_machines(trial) and not is_void(trial)]
    for trial in found[-SHOWN:]:
        more = len(found) - SHOWN if trial is found[-1] else 0
        detail = describe_machines(read_machines(trial))
        yield NotableTrial(kind="other machine", trial=trial.number, detail=detail, more=max(0, more))


def _find_late_bloomers(facts: StudyFacts) -> Iterator[NotableTrial]:
    """Find trials in the lower half after a third of the epochs that end in the best tenth, or the best three."""
    early = max(1, round(facts.spec.epochs / 3))
    ranked = [trial for trial in facts.completed if len(trial.intermediate_values) > early]
    if len(ranked) < FEWEST_RANKED:
        return
    begun = {trial.number: float(best_so_far(trial)[early - 1]) for trial in ranked}
    before = sorted(ranked, key=lambda trial: (-begun[trial.number], trial.number))
    after = sorted(ranked, key=lambda trial: (-float(trial.value or 0.0), trial.number))
    place = {trial.number: rank for rank, trial in enumerate(before, start=1)}
    late = [t for t in after[: max(3, len(ranked) // 10)] if place[t.number] > len(ranked) / 2][:SHOWN]
    for trial in late:
        detail = (
            f"place {place[trial.number]} of {len(ranked)} after {early} epochs ({begun[trial.number]:.4f}), place "
            f"{after.index(trial) + 1} at the end ({trial.value:.4f})"
        )
        yield NotableTrial(kind="late bloomer", trial=trial.number, detail=detail)
