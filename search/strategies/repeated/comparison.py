"""Which differences between configurations exceed the noise of their repeats.

The repeats of two configurations are paired: the same repeat has the same seed, and so the same initial weights and
order of examples where the networks allow it. In the table of values by configuration and repeat, what is left of a
value after its configuration's and its repeat's mean is noise, and its variance is taken to be the same for every
configuration (a randomized block design; Fisher 1935). With two configurations this is the paired t test. All pairs
are tested, and the probability that even one of them is called different by chance is kept below LEVEL by Holm's
method (1979). A pair whose own differences vary more than that is tested with its own variance: a configuration that is
noisier than the others is not called different sooner for that.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState

from search.statistics.intervals import student
from search.strategies.repeated.configurations import Repeated
from spaces import Scalar
from storage.leasing.withdrawal import AnyTrial

Array = NDArray[np.float64]
T = TypeVar("T", bound=AnyTrial)

MOST_COMPARED = 200
"""Configurations that are paired with each other, the best ones: a status is read every second."""
LEVEL = 0.05
"""The probability of calling at least one pair different by chance, at most."""


@dataclass(frozen=True, kw_only=True)
class ComparedConfiguration:
    """A configuration and the values of its trials."""

    configuration: int
    """The number of its first trial."""
    state: str
    """`complete` in all repeats, `pruned` where one was stopped, else `running`, `waiting` or `fail`."""
    params: Mapping[str, Scalar]
    mean: float | None
    """Of its completed trials' values; None if there are none."""
    standard_deviation: float | None
    """Of the same (n - 1 in the denominator); None with fewer than two."""
    n: int
    """How many of its trials are completed."""
    values: tuple[float, ...]
    """Those trials' values, by their repeat."""
    worse_than: tuple[int, ...]
    """The configurations whose means are higher by more than the noise."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """All configurations, the best first, and which of those that are complete in all repeats differ."""

    repeats: int
    """Trials of each configuration."""
    configurations: tuple[ComparedConfiguration, ...]
    compared: int
    """How many of them are complete in all repeats, and compared with each other."""
    noise: float | None
    """Standard deviation of a value by its seed, beyond what the repeats of all configurations share; None if nothing
    is compared."""
    degrees: int | None
    """Degrees of freedom of that; None if nothing is compared."""
    least_difference: float | None
    """The difference of two means from which on a single pair stands out, by the noise of all; None if nothing is
    compared."""


@dataclass(frozen=True, kw_only=True)
class Noise:
    """The noise of single values in a table of configurations by repeats."""

    deviation: float
    degrees: int


def compare_configurations(groups: Sequence[Repeated[T]], find: Callable[[T], FrozenTrial]) -> Comparison:
    """Compare the configurations of a study.

    find: returns the whole trial, of which the configuration's parameters are shown.
    """
    groups = sorted(groups, key=_rank)
    complete = {group.number: group for group in groups if group.state == TrialState.COMPLETE}
    table = {number: list(group.values.values()) for number, group in complete.items()}
    noise = measure_noise(list(table.values()))
    pairs = find_differences(table, noise) if noise is not None else set()
    return Comparison(
        repeats=max((group.repeats for group in groups), default=1),
        configurations=tuple(_describe(group, find(group.first).params, pairs) for group in groups),
        compared=len(complete),
        noise=None if noise is None else noise.deviation,
        degrees=None if noise is None else noise.degrees,
        least_difference=None if noise is None else _find_least(noise, table),
    )


def measure_noise(rows: Sequence[Sequence[float]]) -> Noise | None:
    """Return the noise of values by configuration (rows) and repeat; None with fewer than two of either."""
    if len(rows) < 2 or len(rows[0]) < 2:
        return None
    total = statistics.fmean(itertools.chain(*rows))
    of_rows = [statistics.fmean(row) for row in rows]
    of_repeats = [statistics.fmean(column) for column in zip(*rows, strict=True)]
    squares = sum(
        (value - mean - shared + total) ** 2
        for row, mean in zip(rows, of_rows, strict=True)
        for value, shared in zip(row, of_repeats, strict=True)
    )
    degrees = (len(rows) - 1) * (len(of_repeats) - 1)
    return Noise(deviation=math.sqrt(squares / degrees), degrees=degrees)


def find_differences(table: Mapping[int, Sequence[float]], noise: Noise) -> set[tuple[int, int]]:
    """Return the pairs (worse, better) of configurations whose difference exceeds the noise.

    Only the best `MOST_COMPARED` are paired, but all pairs count for the correction.

    table: values by configuration, equally many of each.
    """
    ranked = sorted(table, key=lambda number: -statistics.fmean(table[number]))[:MOST_COMPARED]
    values_NR = np.array([table[number] for number in ranked])
    high, low = np.triu_indices(len(ranked), 1)
    p_P = _find_ps(values_NR[low], values_NR[high], noise)
    order = np.argsort(p_P, kind="stable")
    exceeds = p_P[order] <= LEVEL / (count_pairs(len(table)) - np.arange(len(order)))
    count = len(order) if exceeds.all() else int(np.argmin(exceeds))
    return {(ranked[low[place]], ranked[high[place]]) for place in order[:count]}


def find_p(low: Sequence[float], high: Sequence[float], noise: Noise) -> float:
    """Return the probability of so large a difference of two means, either way, if there is none but by noise."""
    return float(_find_ps(np.array([low]), np.array([high]), noise)[0])


def count_pairs(configurations: int) -> int:
    """Return how many pairs there are."""
    return configurations * (configurations - 1) // 2


def _find_ps(low_PR: Array, high_PR: Array, noise: Noise) -> Array:
    """Return what `find_p` does for P pairs with R repeats each."""
    from scipy.special import stdtr  # takes long, and few studies have repeats

    differences_PR = high_PR - low_PR
    mean_P = np.abs(differences_PR.mean(1))
    # The difference of two values has twice the variance of one.
    deviation_P = np.maximum(noise.deviation, differences_PR.std(1, ddof=1) / math.sqrt(2))
    error_P = deviation_P * math.sqrt(2 / low_PR.shape[1])
    differs_P = mean_P > 1e-12
    t_P = np.divide(mean_P, error_P, out=np.full_like(mean_P, np.inf), where=error_P > 0)
    return np.where(differs_P, 2 * stdtr(noise.degrees, -t_P), 1.0)


def _find_least(noise: Noise, table: Mapping[int, Sequence[float]]) -> float:
    pairs, repeats = count_pairs(len(table)), len(next(iter(table.values())))
    return student(1 - LEVEL / (2 * pairs), noise.degrees) * noise.deviation * math.sqrt(2 / repeats)


def _rank(group: Repeated[T]) -> tuple[bool, float, int]:
    """Return a key that puts complete configurations first, the highest mean first among them."""
    return group.state != TrialState.COMPLETE, math.inf if group.mean is None else -group.mean, group.number


def _describe(
    group: Repeated[T], parameters: Mapping[str, Scalar], pairs: set[tuple[int, int]]
) -> ComparedConfiguration:
    values = tuple(group.values.values())
    return ComparedConfiguration(
        configuration=group.number,
        state=group.state.name.lower(),
        params=dict(parameters),
        mean=group.mean,
        standard_deviation=statistics.stdev(values) if len(values) > 1 else None,
        n=len(values),
        values=values,
        worse_than=tuple(sorted(high for low, high in pairs if low == group.number)),
    )
