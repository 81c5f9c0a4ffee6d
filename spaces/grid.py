"""Grids: every configuration of a space whose ranges are cut into points."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from spaces.domains import Categorical, Domain, Fixed, Float, Int, Scalar
from spaces.errors import SpaceError
from spaces.space import Space


def count_points(space: Space, points: int | None) -> int:
    """Return how many configurations a grid has, without listing them.

    points: values of each range, 1 or more; None for all values of each range, which must be finitely many.

    Raises:
        SpaceError: a range has no finite number of values, and `points` is None.
    """
    return math.prod(_count_domain(name, domain, points) for name, domain in _find_varying(space, ""))


def list_points(space: Space, points: int | None) -> Iterator[dict[str, Scalar]]:
    """Yield the parameters of every configuration of a grid, the space's last parameter changing first.

    A conditional parameter has values only under the choices that it exists under. points: as for `count_points`.

    Raises:
        SpaceError: as for `count_points`.
    """
    yield from _combine(list(_find_varying(space, "")), points)


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


def _find_varying(space: Space, prefix: str) -> Iterator[tuple[str, Domain]]:
    for name, domain in space.domains.items():
        if not isinstance(domain, Fixed):
            yield prefix + name, domain


def _count_domain(name: str, domain: Domain, points: int | None) -> int:
    if isinstance(domain, Categorical):
        return sum(
            math.prod(_count_domain(full, below, points) for full, below in _list_below(name, domain, choice))
            for choice in domain.choices
        )
    assert isinstance(domain, Int | Float)
    return len(list_values(name, domain, points)) if points is not None else _count_all(name, domain)


def _count_all(name: str, domain: Int | Float) -> int:
    steps = _count_steps(domain)
    return len(list_values(name, domain, None)) if steps is None else steps + 1


def _list_below(name: str, domain: Categorical, choice: Scalar) -> list[tuple[str, Domain]]:
    """Return the domains that exist under a choice."""
    prefix = name.rpartition(".")[0]
    below = f"{prefix}.{choice}." if prefix else f"{choice}."
    return list(_find_varying(domain.spaces[str(choice)], below)) if domain.spaces else []


def _combine(domains: Sequence[tuple[str, Domain]], points: int | None) -> Iterator[dict[str, Scalar]]:
    if not domains:
        yield {}
        return
    (name, domain), *others = domains
    for chosen in _list_domain(name, domain, points):
        for rest in _combine(others, points):
            yield {**chosen, **rest}


def _list_domain(name: str, domain: Domain, points: int | None) -> Iterator[Mapping[str, Scalar]]:
    if not isinstance(domain, Categorical):
        assert isinstance(domain, Int | Float)
        yield from ({name: value} for value in list_values(name, domain, points))
        return
    for choice in domain.choices:
        # A single choice is no parameter.
        own = {name: choice} if len(domain.choices) > 1 else {}
        yield from ({**own, **below} for below in _combine(_list_below(name, domain, choice), points))


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
