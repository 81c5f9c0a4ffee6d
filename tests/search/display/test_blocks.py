"""Curves of block characters, against drawings made by hand."""

from __future__ import annotations

import math

import pytest

from search.display.blocks import draw_area, draw_sparkline, find_bounds, spread


@pytest.mark.parametrize(
    ("values", "length", "width", "drawn"),
    [
        ((0.0, 0.5, 1.0), 3, 3, "▁▅█"),
        ((0.0, 1.0), 4, 8, "▁▁██    "),
        ((0.0, 0.1, 0.2, 1.0), 8, 4, "▂█  "),
        ((0.0, 0.1, 1.0), 8, 4, "▂█  "),
        ((), 3, 3, "   "),
        ((0.0, None, math.nan, math.inf, 1.0), 5, 5, "▁   █"),
        ((-1.0, 2.0), 2, 2, "▁█"),
    ],
)
def test_a_sparkline_has_a_column_for_its_epochs(
    values: tuple[float | None, ...], length: int, width: int, drawn: str
) -> None:
    assert draw_sparkline(values, (0.0, 1.0), length=length, width=width) == drawn


def test_an_area_is_filled_below() -> None:
    # Levels 1, 1 + round(0.5 * 15) = 9 and 16 of 16 eighths.
    assert draw_area((0.0, 0.5, 1.0), (0.0, 1.0), length=3, width=3, height=2) == [" ▁█", "▁██"]


def test_equal_values_fill_the_height_and_bounds_skip_what_is_missing() -> None:
    assert draw_sparkline((0.5, 0.5), find_bounds((0.5, 0.5)), length=2, width=2) == "██"
    assert find_bounds((None, 0.2), (), (math.nan, 0.7, math.inf)) == (0.2, 0.7)
    assert find_bounds() == (0.0, 0.0)
    assert spread((1.0, 2.0, 3.0), 2, 3) == [1.0, 2.0, 3.0]
