"""How good a search over tabulated curves was, in numbers that can be averaged over tasks and seeds.

R is the cost of one full training. Normalized regret: (best known - found) / (best known - median), of the table's
values; 0 is the best network of the table, 1 the median one (and a search that has found nothing yet).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.curves import Task
from tests.benchmarks.replay import Replay, Searched

MARKS = (5, 10, 20, 40)
# What "share" compares with: this many random networks, each trained to its end.
RANDOM = 100


@dataclass(frozen=True, kw_only=True)
class Score:
    """One search: regrets at the marks within its budget, and of its best completed trial at the end."""

    regrets: Sequence[float]
    completed: float
    trials: int


@dataclass(frozen=True, kw_only=True)
class Row:
    """One policy: its searches, and the epochs they took, on average, for what 100 random trainings find."""

    name: str
    scores: Sequence[Score]
    share: float | None
    """Of the epochs of these 100 trainings; None where the budget was not enough."""


def marks(budget: int) -> list[int]:
    """Return the marks that a budget, in units of R, reaches."""
    return [mark for mark in MARKS if mark <= budget] or [budget]


def score(task: Task, replay: Replay, budget: int) -> Score:
    """The scores of one search."""
    return Score(
        regrets=[regret(task, replay.best, mark * task.epochs) for mark in marks(budget)],
        completed=regret(task, replay.completed, budget * task.epochs),
        trials=len(replay.trials),
    )


def regret(task: Searched, record: Sequence[tuple[int, float]], epochs: int) -> float:
    """Return the normalized regret of the best trial in a record after a number of epochs, 0 to 1."""
    found = next((value for spent, value in reversed(record) if spent <= epochs), task.median)
    return float(np.clip((task.best - found) / (task.best - task.median), 0, 1))


def row(task: Task, name: str, replays: Sequence[Replay], budget: int) -> Row:
    """The scores of one policy's searches."""
    return Row(
        name=name,
        scores=[score(task, replay, budget) for replay in replays],
        share=share(task, replays, budget * task.epochs),
    )


def share(task: Task, replays: Sequence[Replay], epochs: int) -> float | None:
    """After which share of the epochs of 100 random trainings the mean of the searches is as good as these are."""
    target = expected_best(task.finals, RANDOM)
    worst = float(task.finals[0])
    for spent in range(1, epochs + 1):
        found = [max(value for at, value in [(0, worst), *replay.best] if at <= spent) for replay in replays]
        if statistics.fmean(found) >= target:
            return spent / (RANDOM * task.epochs)
    return None


def expected_best(ascending: NDArray[np.float64], draws: int) -> float:
    """Return the mean of the best of several draws with replacement."""
    below = (np.arange(len(ascending) + 1) / len(ascending)) ** draws
    return float(np.diff(below) @ ascending)


def table(rows: Sequence[Row], budget: int) -> str:
    """The rows in Markdown: means over the seeds, with standard errors."""
    columns = [*(f"{mark}R" for mark in marks(budget)), f"completed {budget}R", "share", "trials"]
    lines = ["| policy | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for row in rows:
        regrets = zip(*((*score.regrets, score.completed) for score in row.scores), strict=True)
        cells = [cell(values) for values in regrets]
        cells.append("-" if row.share is None else f"{row.share:.3f}")
        cells.append(f"{statistics.fmean(score.trials for score in row.scores):.0f}")
        lines.append(f"| {row.name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def mean(values: Sequence[float]) -> float:
    """Return the mean; NaN of nothing."""
    return statistics.fmean(values) if values else math.nan


def error(values: Sequence[float]) -> float:
    """Return the standard error of the mean; NaN of fewer than two."""
    return statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else math.nan


def cell(values: Sequence[float]) -> str:
    """Return the mean and its standard error, for a table."""
    return f"{mean(values):.3f} ({error(values):.3f})"
