"""Intervals for accuracies."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from scipy.special import stdtrit

Z_95 = 1.959963984540054


def wilson_interval(correct: int, examples: int, z: float = Z_95) -> tuple[float, float]:
    """The interval for a share of `correct` among `examples` (Wilson 1927); 95% unless `z` says otherwise.

    Raises:
        ValueError: 0 <= correct <= examples and examples >= 1 does not hold.
    """
    if examples < 1 or not 0 <= correct <= examples:
        raise ValueError(f"0 <= correct <= examples must hold, but got correct={correct}, examples={examples}")
    share = correct / examples
    centre = (share + z * z / (2 * examples)) / (1 + z * z / examples)
    spread = share * (1 - share) / examples + z * z / (4 * examples**2)
    half = z * math.sqrt(spread) / (1 + z * z / examples)
    return max(0.0, centre - half), min(1.0, centre + half)


def student(probability: float, degrees: int) -> float:
    """The quantile of Student's t: below it lies this probability, from 0 to 1, at so many degrees of freedom."""
    return float(stdtrit(degrees, probability))


def spread(values: Sequence[float], step: float) -> float:
    """The standard deviation of two values or more, but not less than that of counting in steps.

    step: one image's share of the accuracy. Accuracies that are equal to the image differ all the same: a value
    rounded to steps hides a deviation of step / sqrt(12) (Sheppard 1898).
    """
    return max(statistics.stdev(values), step / math.sqrt(12))


def half_width(values: Sequence[float], step: float, probability: float) -> float:
    """How far a mean of two values or more may be off, on either side, with this probability to one side of it."""
    return student(probability, len(values) - 1) * spread(values, step) / math.sqrt(len(values))
