"""The confusion matrices of trials: which classes a trial's network took for which, at the epoch of its value.

One is written with its trial's end, in one statement: see storage.history.gathered.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine, select, text

from storage.errors import refuse_unreadable
from storage.schema import confusions

MOST_CLASSES = 100
"""Training counts no more: a row with more is none of ours, and a picture of it could take any amount of memory."""
LARGEST_COUNT = 2**53


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """A trial's confusion matrix, counted on its validation images."""

    epoch: int
    """That of the trial's value, counted from 0."""
    classes: tuple[str, ...]
    """Their names, in the order of rows and columns."""
    counts: tuple[tuple[int, ...], ...]
    """The images of each class (a row), by the class that they were taken for (a column)."""

    def __post_init__(self) -> None:
        """Raise ValueError unless there is a count for each pair of classes, and not too many of these."""
        if {len(self.counts), *map(len, self.counts)} != {len(self.classes)} or len(self.classes) > MOST_CLASSES:
            raise ValueError(
                f"a matrix of {len(self.classes)} classes has as many rows and columns, at most {MOST_CLASSES}"
            )
        if not all(0 <= count <= LARGEST_COUNT for row in self.counts for count in row):
            raise ValueError("a count is a number of images")

    @property
    def accuracy(self) -> float | None:
        """The share of images that were taken for what they are; None if there are no images."""
        images = sum(map(sum, self.counts))
        return sum(row[place] for place, row in enumerate(self.counts)) / images if images else None


def find(engine: Engine, trial_id: int) -> Confusion | None:
    """Return a trial's matrix; None if it has none.

    Raises:
        UnreadableTrials: its row was changed.
    """
    with engine.begin() as connection:
        row = connection.execute(select(confusions).where(confusions.c.trial_id == trial_id)).first()
    if row is None:
        return None
    with refuse_unreadable("a trial's confusion matrix"):
        counts = tuple(tuple(map(int, counted)) for counted in row.counts)
        return Confusion(epoch=row.epoch, classes=tuple(map(str, row.classes)), counts=counts)


def list_trials(engine: Engine, study_id: int) -> frozenset[int]:
    """Return the ids of a study's trials that have a matrix."""
    query = text("SELECT trial_id FROM depthsearch.confusions JOIN trials USING (trial_id) WHERE study_id = :study")
    with engine.begin() as connection:
        return frozenset(connection.scalars(query, {"study": study_id}))
