"""Where the best values sit at a bound of their range, and the override that widens it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from spaces import Float, Int, Scalar, Space

FEW = 5
"""The best configurations that are looked at beside the best one."""
NEAR_BEST = 0.05
"""Share of a range, on the scale that it is searched on, within which the best value counts as at the bound."""
NEAR_FEW = 0.1
"""The same for the best few."""
RARE = 0.01
"""A bound is mentioned if the best few would lie there by chance, for a parameter that does not matter, less often."""
SHARES = (1 / 3, 1 / 6, 1 / 12)
"""By how much of its length a range is widened: the first one that its limits allow."""
LEAST_RATIO = 2.0
"""A logarithmic range is widened by at least this factor."""


@dataclass(frozen=True, kw_only=True)
class BoundWarning:
    """A parameter whose best values sit at a bound."""

    parameter: str
    value: int | float
    """Of the best configuration."""
    side: Literal["upward", "downward"]
    bound: int | float
    at_bound: int
    """How many of the best few are there."""
    of: int
    """The best few: configurations that have the parameter."""
    override: str | None
    """`name=low:high` for `--set`; None if the parameter's limits allow no wider range."""


def find_bounds(
    space: Space, best: Sequence[Mapping[str, Scalar]], accepts: Callable[[str], bool]
) -> list[BoundWarning]:
    """Return a warning for each range whose best value, or most of the best few, sit at one of its ends.

    Choices have no ends, and a range that begins at 0 (at 1, if its numbers are whole and its scale is logarithmic) has
    none there.

    Args:
        best: The parameters of the best configurations, the best one first.
        accepts: Whether an override `name=low:high` keeps to the parameter's limits.
    """
    found = []
    for entry in space.entries():
        values = [params[entry.name] for params in best if entry.name in params][:FEW]
        if isinstance(entry.domain, Int | Float) and entry.domain.low < entry.domain.high and best:
            for side in ("downward", "upward"):
                warning = _check_side(entry.name, entry.domain, side, values, best[0].get(entry.name), accepts)
                found += [] if warning is None else [warning]
    return found


def measure_place(domain: Int | Float, value: float) -> float:
    """Return a value's place in its range, from 0 to 1, on the scale that the range is searched on."""
    if domain.log:
        return math.log(value / domain.low) / math.log(domain.high / domain.low)
    return (value - domain.low) / (domain.high - domain.low)


def _check_side(
    name: str,
    domain: Int | Float,
    side: Literal["upward", "downward"],
    values: Sequence[Scalar],
    best: Scalar,
    accepts: Callable[[str], bool],
) -> BoundWarning | None:
    bound = domain.high if side == "upward" else domain.low
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    wider = _widen(name, domain, side)
    if bound == 0 or not numbers or not wider:
        return None
    distances = [abs(measure_place(domain, value) - (side == "upward")) for value in numbers]
    count = sum(distance <= NEAR_FEW for distance in distances)
    is_best = best is not None and distances[0] <= NEAR_BEST
    if not is_best and tail(count, len(numbers), measure_chance(domain, side)) > RARE:
        return None
    return BoundWarning(
        parameter=name,
        value=numbers[0],
        side=side,
        bound=bound,
        at_bound=count,
        of=len(numbers),
        override=next((text for text in wider if accepts(text)), None),
    )


def measure_chance(domain: Int | Float, side: Literal["upward", "downward"]) -> float:
    """Return the share of a range's values that count as near a bound for the best few."""
    if isinstance(domain, Float):
        return NEAR_FEW
    values = range(domain.low, domain.high + 1, domain.step)
    if domain.log or len(values) > 100:
        return NEAR_FEW
    return sum(abs(measure_place(domain, value) - (side == "upward")) <= NEAR_FEW for value in values) / len(values)


def tail(count: int, of: int, chance: float) -> float:
    """Return the probability of at least `count` of `of` independent events, each with this chance."""
    return sum(math.comb(of, k) * chance**k * (1 - chance) ** (of - k) for k in range(count, of + 1))


def _widen(name: str, domain: Int | Float, side: Literal["upward", "downward"]) -> list[str]:
    """Return overrides that widen a range at one end, the widest first."""
    ends = [_move(domain, share, side) for share in SHARES]
    kept = domain.low if side == "upward" else domain.high
    moved = [end for end in dict.fromkeys(ends) if (end > domain.high if side == "upward" else end < domain.low)]
    return [f"{name}={kept:.15g}:{end:.15g}" if side == "upward" else f"{name}={end:.15g}:{kept:.15g}" for end in moved]


def _move(domain: Int | Float, share: float, side: Literal["upward", "downward"]) -> float:
    """Return a round number beyond an end, at this share of the range's length; never below 0 if the range is not."""
    up = side == "upward"
    if domain.log:
        ratio = max(LEAST_RATIO, (domain.high / domain.low) ** share)
        end = _round(domain.high * ratio if up else domain.low / ratio, 1)
    elif domain.step is not None:
        steps = max(1, round((domain.high - domain.low) * share / domain.step))
        by = float(Fraction(str(domain.step)) * steps)
        end = float(f"{domain.high + by if up else domain.low - by:.12g}")
    else:
        by = (domain.high - domain.low) * share
        end = _round(domain.high + by if up else domain.low - by, 2)
    if not up and domain.low >= 0 and end < 0:
        end = 0.0 if domain.step is None else domain.low
    if isinstance(domain, Int):
        end = max(1, round(end)) if domain.log else round(end)
    return end


def _round(value: float, digits: int) -> float:
    return float(f"{value:.{digits}g}")
