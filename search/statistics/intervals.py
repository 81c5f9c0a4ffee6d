"""Confidence intervals for accuracies."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

Z_95 = 1.959963984540054


def wilson_interval(correct: int, examples: int, z: float = Z_95) -> tuple[float, float]:
    """Return the confidence interval for the share of `correct` among `examples` (Wilson 1927).

    Args:
        z: The quantile of the standard normal distribution; the default gives 95%.

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
    """Return the quantile of Student's t distribution for a probability from 0 to 1."""
    from scipy.special import stdtrit  # takes a tenth of a second, which most commands need not spend

    return float(stdtrit(degrees, probability))


def spread(values: Sequence[float], step: float) -> float:
    """Return the standard deviation of two values or more, but at least that of rounding to steps.

    Accuracies that agree to the last image may still differ: a value rounded to steps hides a deviation of
    step / sqrt(12) (Sheppard 1898).

    Args:
        step: One image's share of the accuracy.
    """
    return max(statistics.stdev(values), step / math.sqrt(12))


def half_width(values: Sequence[float], step: float, probability: float) -> float:
    """Return the half width of the confidence interval of a mean of two values or more.

    Args:
        step: One image's share of the accuracy.
        probability: That the true mean lies below the upper end, from 0.5 to 1; 0.975 gives a 95% interval.
    """
    return student(probability, len(values) - 1) * spread(values, step) / math.sqrt(len(values))
