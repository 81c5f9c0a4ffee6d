"""Warnings of bounds, against ranges worked out by hand."""

from __future__ import annotations

import pytest

from search.report.document.content.bounds import BoundWarning, find_bounds, tail
from search.report.document.limits import make_limit_check
from search.report.document.wording.space import describe_bound
from spaces import Categorical, Float, Int, Space
from tests.search.report.document.made import SPACE, make_spec


def find(space: Space, *values: object, limit: float = 1e9) -> list[BoundWarning]:
    """Return the warnings of a space with one parameter `x`, by its values in the best configurations."""
    return find_bounds(space, [{"x": value} for value in values], lambda text: float(text.split(":")[1]) <= limit)  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("domain", "value", "override"),
    [
        (Float(1e-4, 1e-1, log=True), 0.09, "x=0.0001:1"),  # 0.985 of three decades; a third of them more
        (Float(1e-4, 1e-1, log=True), 1.2e-4, "x=1e-05:0.1"),
        (Float(1e-4, 1e-1, log=True), 0.05, None),  # 0.9 of the decades
        (Float(0.0, 1.0), 0.96, "x=0:1.3"),
        (Float(0.0, 1.0), 0.0, None),  # nothing is below 0
        (Float(0.1, 1.0), 0.1, "x=0:1"),  # and a range does not begin there
        (Float(-1.0, 1.0), -1.0, "x=-1.7:1"),
        (Float(0.0, 1.0, step=0.25), 1.0, "x=0:1.25"),
        (Int(16, 256), 250, "x=16:336"),
        (Int(1, 4), 4, "x=1:5"),
        (Int(16, 256, log=True), 256, "x=16:600"),  # 256 x 16 ** (1 / 3) = 645
        (Int(1, 64, log=True), 1, None),  # a whole number above 0
        (Int(8, 64, step=8), 64, "x=8:80"),
        (Int(3, 3), 3, None),
        (Categorical("a", "b"), "b", None),
    ],
)
def test_the_best_value_at_a_bound_is_warned_of_on_its_scale(
    domain: Float | Int | Categorical, value: object, override: str | None
) -> None:
    assert [warning.override for warning in find(Space(x=domain), value)] == ([] if override is None else [override])


def test_the_best_few_at_a_bound_count_although_the_best_one_is_not() -> None:
    """Three of five in a tenth of the range: 10 x 0.001 x 0.81 + 5 x 0.0001 x 0.9 + 0.00001 = 0.0086 by chance."""
    assert tail(3, 5, 0.1) == pytest.approx(0.00856)
    space = Space(x=Float(0.0, 1.0))
    [warning] = find(space, 0.5, 0.92, 0.95, 0.99, 0.4)
    assert (warning.side, warning.at_bound, warning.of, warning.value) == ("upward", 3, 5, 0.5)
    assert find(space, 0.5, 0.92, 0.95, 0.4, 0.3) == []
    # Four layers are a quarter of the range: three of five by chance in a tenth of all cases.
    assert tail(3, 5, 0.25) == pytest.approx(0.103515625)
    assert find(Space(x=Int(1, 4)), 2, 4, 4, 4, 3) == []
    assert len(find(Space(x=Int(1, 4)), 3, 4, 4, 4, 4)) == 0
    assert len(find(Space(x=Int(1, 16)), 3, 16, 16, 16, 15)) == 1


def test_a_range_is_widened_within_its_limits() -> None:
    space = Space(x=Float(1e-4, 1e-1, log=True))
    assert [each.override for each in find(space, 0.1, limit=0.3)] == ["x=0.0001:0.3"]  # a sixth of the decades
    assert [each.override for each in find(space, 0.1, limit=0.2)] == ["x=0.0001:0.2"]  # at least twice as much
    [stuck] = find(space, 0.1, limit=0.1)
    assert stuck.override is None
    assert "its limits allow nothing" in describe_bound(stuck)


def test_the_limits_are_those_of_the_objective() -> None:
    accepts = make_limit_check(make_spec())
    assert accepts("learning_rate=0.0001:1")
    assert not accepts("learning_rate=0.0001:1000")
    own = make_limit_check(make_spec(objective="mine", objective_files={"mine.py": "e" * 64}))
    assert own("learning_rate=0.0001:1000")
    assert not own("learning_rate=1:0.5")


def test_a_warning_is_an_override_to_copy() -> None:
    best = {"learning_rate": 0.09, "width": 100, "depth": 2, "dropout": 0.2, "optimizer": "sgd"}
    [warning] = find_bounds(SPACE, [best], make_limit_check(make_spec()))
    assert describe_bound(warning) == (
        "widen learning_rate upward: --set learning_rate=0.0001:1 (the best value is 0.09, and 1 of the best 1 are "
        "near the bound 0.1)"
    )
