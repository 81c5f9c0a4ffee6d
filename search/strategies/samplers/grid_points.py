"""Grids: every configuration of a space whose ranges are cut into points."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from spaces.domains import Categorical, Fixed, Float, Int, Scalar
from spaces.errors import SpaceError
from spaces.space import Space

LISTED = 10_000
"""Grids of up to this many points are counted one by one where a product counts too many."""


def count_points(space: Space, points: int | None) -> int:
    """Return how many configurations a grid has; of a large one, at most how many.

    points: values of each range, 1 or more; None for all values of each range, which must be finitely many.

    Raises:
        SpaceError: a range has no finite number of values, and `points` is None.
    """
    most = _count_product(space, "", points)
    if most > LISTED or all(not entry.unless for entry in space.entries()):
        return most
    # Parameters that do not exist beside some choice of another: the product counts them there, too.
    return sum(1 for _ in list_points(space, points))


def list_points(space: Space, points: int | None) -> Iterator[dict[str, Scalar]]:
    """Yield the parameters of every configuration of a grid, the parameter that is drawn last changing first.

    A conditional parameter has values only where it exists. points: as for `count_points`.

    Raises:
        SpaceError: as for `count_points`.
    """
    path: list[int] = []
    while True:
        walk = _Walk(points, path)
        space.sample(walk)
        yield walk.parameters
        while path and path[-1] + 1 == walk.counts[len(path) - 1]:
            path.pop()
        if not path:
            return
        path[-1] += 1


class _Walk:
    """A trial that takes the values at the places of a path, and the first one of everything after it.

    path: by parameter in the order in which they are drawn; the walk makes it as long as it needs.
    """

    def __init__(self, points: int | None, path: list[int]) -> None:
        self.parameters: dict[str, Scalar] = {}
        self.counts: list[int] = []
        self._points = points
        self._path = path

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        return int(self._take(name, list_values(name, Int(low, high, step=step, log=log), self._points)))

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        return float(self._take(name, list_values(name, Float(low, high, step=step, log=log), self._points)))

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        return self._take(name, choices)

    def _take(self, name: str, values: Sequence[Any]) -> Any:
        if len(self.counts) == len(self._path):
            self._path.append(0)
        value = values[self._path[len(self.counts)]]
        self.counts.append(len(values))
        self.parameters[name] = value
        return value


def list_values(name: str, domain: Int | Float, points: int | None) -> Sequence[int | float]:
    """Return the values of a range on a grid, ascending: at equal distances, or equal ratios on a log range.

    A single point is the middle. Whole numbers, and values of a range with steps, are rounded and listed once.

    Args:
        name: The parameter's full name.
        points: 1 or more; None for all values.

    Raises:
        SpaceError: the range has no finite number of values, and `points` is None.
    """
    steps = _count_steps(domain)
    if steps is not None and (points is None or steps < points):
        return [_take_step(domain, step) for step in range(steps + 1)]
    if points is None:
        raise SpaceError(
            f"a grid needs finitely many values, but {name} is any number in {domain}; say how many to try with "
            f"--points 5, or list them with --set {name}=VALUE,VALUE"
        )
    shares = [0.5] if points == 1 else [place / (points - 1) for place in range(points)]
    return list(dict.fromkeys(_take_share(domain, share) for share in shares))


def _count_product(space: Space, prefix: str, points: int | None) -> int:
    """Return the product over the domains that vary, where each choice has what lies below it."""
    return math.prod(
        _count_domain(prefix, prefix + name, domain, points)
        for name, domain in space.domains.items()
        if not isinstance(domain, Fixed)
    )


def _count_domain(prefix: str, name: str, domain: Categorical | Int | Float, points: int | None) -> int:
    if isinstance(domain, Categorical):
        below = domain.spaces
        return sum(_count_product(below[str(c)], f"{prefix}{c}.", points) if below else 1 for c in domain.choices)
    steps = _count_steps(domain)
    return steps + 1 if points is None and steps is not None else len(list_values(name, domain, points))


def _count_steps(domain: Int | Float) -> int | None:
    """Return how many steps lead from the first value to the last; None if there are infinitely many values."""
    if domain.low == domain.high:
        return 0
    return None if domain.step is None else round((domain.high - domain.low) / domain.step)


def _take_step(domain: Int | Float, step: int) -> int | float:
    value = domain.low + step * (domain.step or 0)
    return int(value) if isinstance(domain, Int) else min(float(value), float(domain.high))


def _take_share(domain: Int | Float, share: float) -> int | float:
    """Return the value this share of the way from the first to the last, by ratios on a log range."""
    low, high = domain.low, domain.high
    value = low * (high / low) ** share if domain.log else low + share * (high - low)
    steps = _count_steps(domain)
    if steps is not None and domain.step is not None:
        return _take_step(domain, round((value - low) / domain.step))
    return min(max(float(value), float(low)), float(high))
