"""How much of the best validation accuracy is the luck of being the best: the selection optimism.

The highest of many noisy values is too high for its own configuration (Cawley and Talbot 2010, JMLR 11:2079-2107).
`search final --confirm K` measures by how much, with seeds that played no part in the choice. Where it has not run, the
bias is estimated by a parametric bootstrap (Efron and Tibshirani 1993, chapter 10; for choosing among configurations,
Tsamardinos et al. 2018, Machine Learning 107:1895-1922): the stored values stand for the true ones, each is drawn again
with the noise of its measurement, the highest draw is chosen, and the optimism is by how much that draw exceeds its own
true value, on average. The average is an integral, which is computed rather than drawn.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import TypeVar

import numpy as np
from scipy.special import log_ndtr

from search.strategies.repeated.configurations import Repeated
from storage.leasing.withdrawal import AnyTrial

T = TypeVar("T", bound=AnyTrial)

LARGEST_COUNT = 10_000_000
FARTHEST = 8.0
"""Standard deviations below the best value from which on another value no longer competes."""
POINTS = 1601


def estimate_optimism(values: Sequence[float], deviations: Sequence[float]) -> float:
    """Return by how much the highest of noisy values exceeds its true value, on average.

    It is the sum over i of the integral of (y - v_i) f_i(y) prod_{j != i} F_j(y), where f_i and F_i are the density
    and the distribution function of a normal with mean v_i and standard deviation d_i. Two equal values with one
    deviation d come to d / sqrt(pi).

    Args:
        values: What was measured, shape (K,).
        deviations: The standard deviation of each measurement, shape (K,).
    """
    means, widths = np.array(values, dtype=np.float64), np.array(deviations, dtype=np.float64)
    widest = float(widths.max(initial=0.0))
    if len(means) < 2 or widest == 0.0:
        return 0.0
    near = means >= means.max() - FARTHEST * widest
    means, widths = means[near], np.maximum(widths[near], 1e-12)
    grid_G = np.linspace(means.min() - FARTHEST * widest, means.max() + FARTHEST * widest, POINTS)
    below_G = sum(log_ndtr((grid_G - mean) / width) for mean, width in zip(means, widths, strict=True))
    total = 0.0
    for mean, width in zip(means, widths, strict=True):
        z_G = (grid_G - mean) / width
        density_G = np.exp(-0.5 * z_G**2 + below_G - log_ndtr(z_G)) / math.sqrt(2 * math.pi)
        total += float(np.sum(z_G * density_G)) * float(grid_G[1] - grid_G[0])
    return total


def measure_sampling(accuracy: float, examples: int) -> float:
    """Return the standard deviation of an accuracy that was measured on `examples` images drawn at random.

    The binomial one with two right and two wrong images more, which is not 0 for a perfect accuracy (Agresti and Coull
    1998).
    """
    share = (accuracy * examples + 2) / (examples + 4)
    return math.sqrt(share * (1 - share) / examples)


def measure_seeds(groups: Iterable[Repeated[T]], step: float) -> float | None:
    """Return the standard deviation of a configuration's mean over its seeds; None if none has two values.

    The variance is pooled over all configurations, and at least that of rounding to steps.

    step: what one validation image adds to an accuracy; 0 if that is not known.
    """
    repeated = [list(group.values.values()) for group in groups if len(group.values) > 1]
    if not repeated:
        return None
    freedom = sum(len(values) - 1 for values in repeated)
    pooled = sum((len(values) - 1) * statistics.variance(values) for values in repeated) / freedom
    seeds = statistics.fmean(len(values) for values in repeated)
    return math.sqrt(max(pooled, step**2 / 12) / seeds)


def count_examples(accuracies: Iterable[float]) -> int | None:
    """Return how many images accuracies were measured on: the fewest of which all are whole shares.

    None if they are no such shares: an objective's own metric, for example.
    """
    found = 1
    for accuracy in set(accuracies):
        share = Fraction(accuracy).limit_denominator(1_000_000)
        if abs(float(share) - accuracy) > 1e-12:
            return None
        found = math.lcm(found, share.denominator)
        if found > LARGEST_COUNT:
            return None
    return found if found > 1 else None
