"""Intervals for accuracies."""

from __future__ import annotations

import math

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
