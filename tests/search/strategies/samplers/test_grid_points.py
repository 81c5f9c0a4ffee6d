"""Grids: every configuration once, conditional parameters only where they exist."""

from __future__ import annotations

import json

import pytest

from objectives.discovery import find_objective, objective_names
from search.strategies.samplers.grid_points import count_points, list_points, list_values
from spaces import Categorical, Fixed, Float, Int, Space, SpaceError

NESTED = Space(
    depth=Int(1, 3),
    size=Fixed(5),
    only=Categorical({"one": Space(way=Int(1, 2))}),
    optimizer=Categorical(
        {
            "sgd": Space(),
            "nesterov": Space(momentum=Float(0.5, 0.9), inner=Categorical({"a": Space(x=Int(7, 8)), "b": Space()})),
        }
    ),
)


def test_a_conditional_parameter_has_values_only_under_its_choice() -> None:
    points = list(list_points(NESTED, 2))
    # Three depths, two ways, and sgd or nesterov with two momenta times (a with two x, or b).
    assert len(points) == count_points(NESTED, 2) == 2 * 2 * (1 + 2 * 3)
    assert points[0] == {"depth": 1, "one.way": 1, "optimizer": "sgd"}
    assert {
        "depth": 3,
        "one.way": 2,
        "optimizer": "nesterov",
        "nesterov.momentum": 0.9,
        "nesterov.inner": "a",
        "nesterov.a.x": 8,
    } in points
    assert all(("nesterov.momentum" in point) == (point["optimizer"] == "nesterov") for point in points)


@pytest.mark.parametrize(
    ("domain", "points", "values"),
    [
        (Float(0.0, 1.0), 5, [0.0, 0.25, 0.5, 0.75, 1.0]),
        (Float(0.001, 0.1, log=True), 3, [0.001, 0.01, 0.1]),
        (Float(0.0, 1.0), 1, [0.5]),
        (Float(0.001, 0.1, log=True), 1, [0.01]),
        (Float(0.0, 1.0, step=0.25), None, [0.0, 0.25, 0.5, 0.75, 1.0]),
        (Float(0.0, 1.0, step=0.25), 9, [0.0, 0.25, 0.5, 0.75, 1.0]),
        (Float(0.0, 1.0, step=0.25), 3, [0.0, 0.5, 1.0]),
        (Float(0.3, 0.3), None, [0.3]),
        (Int(1, 4), None, [1, 2, 3, 4]),
        (Int(1, 5), 3, [1, 3, 5]),
        (Int(8, 128, log=True), 5, [8, 16, 32, 64, 128]),
        (Int(1, 8, log=True), 7, [1, 2, 3, 4, 6, 8]),
        (Int(2, 10, step=4), None, [2, 6, 10]),
        (Int(1, 2), 1000, [1, 2]),
    ],
)
def test_a_range_is_cut_into_distinct_values(
    domain: Int | Float, points: int | None, values: list[int | float]
) -> None:
    found = list_values("x", domain, points)
    assert found == pytest.approx(values)
    assert [type(value) for value in found] == [int if isinstance(domain, Int) else float] * len(values)


def test_a_range_of_any_numbers_needs_points() -> None:
    with pytest.raises(SpaceError, match=r"nesterov.momentum is any number in 0.5:0.9; .*--points 5, or list them"):
        count_points(NESTED, None)
    with pytest.raises(SpaceError, match="--points 5"):
        list(list_points(Space(x=Float(0, 1)), None))


@pytest.mark.parametrize("name", objective_names())
def test_every_point_of_a_shipped_space_is_one_of_its_configurations_and_comes_once(name: str) -> None:
    space = find_objective(name).objective.space
    count = count_points(space, 1)
    if count > 2000:
        space = Space({key: domain for key, domain in space.domains.items() if isinstance(domain, Categorical)})
        count = count_points(space, 1)
    points = list(list_points(space, 1))
    assert len(points) == len({json.dumps(point, sort_keys=True) for point in points}) == count
    for point in points[:: max(1, count // 50)]:
        space.replay(point)
