"""When trials trained, from the times of their epochs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from search.report.plots.data import ReportedEpoch


@dataclass(frozen=True, kw_only=True)
class Run:
    """A trial's training by one worker, without interruption."""

    trial: int
    start: datetime
    end: datetime
    interrupted: bool
    """Whether another lease continued the trial."""


def split_runs(trial: int, epochs: Sequence[ReportedEpoch]) -> list[Run]:
    """Return a trial's runs: its epochs, in order, parted where the lease changed."""
    groups = [list(group) for _, group in groupby(epochs, key=lambda each: each.token)]
    return [
        Run(
            trial=trial,
            start=group[0].reported_at - timedelta(seconds=group[0].seconds or 0.0),
            end=group[-1].reported_at,
            interrupted=number < len(groups),
        )
        for number, group in enumerate(groups, start=1)
    ]


def assign_rows(runs: Sequence[Run]) -> list[int]:
    """Return a row, counted from 1, for each run: the lowest one that is free when it starts."""
    free_from: list[datetime] = []
    rows = [0] * len(runs)
    for place in sorted(range(len(runs)), key=lambda place: (runs[place].start, runs[place].trial)):
        run = runs[place]
        row = next((row for row, until in enumerate(free_from) if until <= run.start), len(free_from))
        free_from[row : row + 1] = [run.end]
        rows[place] = row + 1
    return rows
