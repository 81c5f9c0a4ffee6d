"""What went wrong inside the networks that did not learn, by fault."""

from __future__ import annotations

from dataclasses import dataclass

from search.report.document.content.facts import StudyFacts


@dataclass(frozen=True, kw_only=True)
class FaultSummary:
    """One kind of fault."""

    kind: str
    trials: int
    """How many trials have it."""
    example: int | None
    """The last such trial whose description is at hand."""
    text: str
    """Its fault and remedies in a sentence."""
    is_best: bool
    """Whether the best trial has it, too."""


def summarize_faults(facts: StudyFacts) -> list[FaultSummary]:
    """Return the faults inside networks, the most frequent first."""
    status = facts.status
    last: dict[str, tuple[int | None, str]] = {
        fault.kind: (one.trial, fault.text) for one in status.diagnoses for fault in one.faults
    }
    best = None if status.best is None else status.best.trial
    of_best = {fault.kind for one in status.diagnoses if one.trial == best for fault in one.faults}
    found = []
    for kind, count in sorted(status.faults.items(), key=lambda item: (-item[1], item[0])):
        example, text = last.get(kind, (None, ""))
        found.append(FaultSummary(kind=kind, trials=count, example=example, text=text, is_best=kind in of_best))
    return found
