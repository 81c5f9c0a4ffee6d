"""Curves drawn with block characters."""

from __future__ import annotations

import math
from collections.abc import Sequence

EIGHTHS = " ▁▂▃▄▅▆▇█"


def draw_area(
    values: Sequence[float | None], bounds: tuple[float, float], *, length: int, width: int, height: int
) -> list[str]:
    """Return a curve as `height` lines of `width` characters, filled below; a value at the lower bound is one eighth.

    Args:
        values: One for each epoch so far; columns of what is missing, or not finite, stay blank.
        bounds: The values at the bottom and at the top.
        length: Epochs over the whole width.
    """
    levels = [_measure_level(value, bounds, height * 8) for value in spread(values, length, width)]
    rows = reversed(range(height))
    return ["".join(EIGHTHS[min(8, max(0, level - 8 * row))] for level in levels) for row in rows]


def draw_sparkline(values: Sequence[float | None], bounds: tuple[float, float], *, length: int, width: int) -> str:
    """Return a curve as one line of `width` characters."""
    return draw_area(values, bounds, length=length, width=width, height=1)[0]


def spread(values: Sequence[float | None], length: int, width: int) -> list[float | None]:
    """Return the value of each column: that of the last epoch in it that there is."""
    length = max(length, len(values), 1)
    columns: list[float | None] = []
    for column in range(width):
        first, last = column * length // width, math.ceil((column + 1) * length / width) - 1
        columns.append(values[min(last, len(values) - 1)] if first < len(values) else None)
    return columns


def find_bounds(*curves: Sequence[float | None]) -> tuple[float, float]:
    """Return the lowest and the highest value of curves; both 0 if there is none."""
    known = [value for curve in curves for value in curve if value is not None and math.isfinite(value)]
    return min(known, default=0.0), max(known, default=0.0)


def _measure_level(value: float | None, bounds: tuple[float, float], most: int) -> int:
    low, high = bounds
    if value is None or not math.isfinite(value):
        return 0
    share = (value - low) / (high - low) if high > low else 1.0
    return 1 + round(min(1.0, max(0.0, share)) * (most - 1))
