"""Which classes the best trial's network takes for others."""

from __future__ import annotations

from dataclasses import dataclass

from search.report.document.content.facts import StudyFacts

SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """Images of one class that were taken for another."""

    name: str
    """Of their class."""
    taken_for: str
    count: int
    images: int
    """Of the class, on which the trial was validated."""


@dataclass(frozen=True, kw_only=True)
class ClassConfusion:
    """A trial's confusion matrix in short."""

    trial: int
    epoch: int
    """That of the trial's value, counted from 0."""
    images: int
    wrong: int
    """How many of the validation images were taken for another class."""
    mistakes: tuple[Mistake, ...]
    """The most frequent ones first; of equals, the larger share of the class."""


def summarize_confusion(facts: StudyFacts) -> ClassConfusion | None:
    """Return which classes the best trial confuses most; None if its matrix is not stored."""
    matrix = facts.confusion
    if matrix is None or facts.trial is None:
        return None
    found = [
        Mistake(name=matrix.classes[row], taken_for=matrix.classes[column], count=count, images=sum(counts))
        for row, counts in enumerate(matrix.counts)
        for column, count in enumerate(counts)
        if count and row != column
    ]
    found.sort(key=lambda mistake: (-mistake.count, mistake.images))
    return ClassConfusion(
        trial=facts.trial,
        epoch=matrix.epoch,
        images=sum(map(sum, matrix.counts)),
        wrong=sum(mistake.count for mistake in found),
        mistakes=tuple(found[:SHOWN]),
    )
