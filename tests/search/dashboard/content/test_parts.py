"""The parts of the content by themselves."""

from __future__ import annotations

import io
import json
import math
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import TrialState
from PIL import Image, ImageColor

from search.dashboard.content.graphs import LARGEST_BYTES, draw_graphs
from search.dashboard.content.notes import BEGIN, END, join_notes, read_note, with_note
from search.dashboard.content.pictures import (
    GROUND,
    LARGEST_CELL,
    Panel,
    Series,
    choose_ticks,
    draw_bars,
    draw_matrix,
    draw_panels,
)
from search.dashboard.content.studies import Kept
from search.export.outputs.toml import write_toml
from search.report.plots.style import BLUE, ORANGE
from tests.search.report.plots.made import make_data, make_trial

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SCALAR = st.one_of(TEXT, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False))


@given(st.dictionaries(TEXT, st.one_of(SCALAR, st.dictionaries(TEXT, SCALAR))))
def test_every_configuration_comes_back_from_toml(rows: dict[str, object]) -> None:
    assert tomllib.loads(write_toml({"configuration": rows}, "made\nof\x00 text"))["configuration"] == rows


def test_toml_leaves_out_what_it_has_no_word_for() -> None:
    read = tomllib.loads(write_toml({"a": {"none": None, "nan": math.nan, "list": [1, "b"]}}, ""))
    assert math.isnan(read["a"].pop("nan"))
    assert read == {"a": {"list": [1, "b"]}}


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ("", "{}"),
        ("mine", "mine\n\n{}"),
        ("above\n\n{}\n\nbelow", "above\n\n{}\n\nbelow"),
        ("above\n{}{}below", "above\n\n{}\n\nbelow"),
        (f"above\n\n{BEGIN}\ncut short", "above\n\n{}"),
    ],
)
def test_one_section_stands_where_people_left_it(own: str, expected: str) -> None:
    old, new = f"{BEGIN}\n\nold\n\n{END}\n", f"{BEGIN}\n\nnew\n\n{END}\n"
    assert join_notes(own.replace("{}", old), "new") == expected.replace("{}", new)


def test_a_note_of_several_parts_becomes_one() -> None:
    stored = {"dashboard:note_ver": 3, "dashboard:note_str:0": "ab", "dashboard:note_str:1": "c", "other": 1}
    assert read_note(stored) == "abc"
    assert with_note(stored, "n") == {"dashboard:note_ver": 3, "dashboard:note_str:0": "n", "other": 1}


def test_plots_of_a_large_study_are_a_part_of_it_and_say_so() -> None:
    ends = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
    trials = [
        make_trial(
            number,
            [0.1 + 0.8 * (number * 7 % 1500) / 1500 + 0.01 * epoch for epoch in range(4)],
            TrialState.RUNNING if number > 1490 else ends[number % 2],
            params={"learning_rate": 10 ** -(number % 40 / 10), "width": 16 + number % 200, "momentum": 0.7},
        )
        for number in range(1500)
    ]
    graphs = draw_graphs(make_data(*trials))
    assert len(graphs) == 4
    assert max(map(len, graphs.values())) < LARGEST_BYTES
    curves = graphs["dashboard:plot_data:search-curves:0"]
    assert "1,000 of 1,500 trials, from every rank" in curves
    assert {"running", "stopped", "completed", "the best"} == {trace["name"] for trace in json.loads(curves)["data"]}
    assert "300 of 746 trials, from every rank" in graphs["dashboard:plot_data:search-slice:0"]


def test_pictures_hold_for_one_epoch_missing_values_and_long_names() -> None:
    series = Series(name="validation", values=[0.5])
    broken = Series(name="training", values=[None, 1e30, None, -1e30, 0.0])
    for panels in ([Panel(title="a", series=[series])], [Panel(title="a", series=[series, broken])] * 2):
        assert Image.open(io.BytesIO(draw_panels(panels))).width == 420 * len(panels)
    many = {f"class {number} \x1b[31m {'x' * 99}": number / 99 for number in range(99)}
    assert Image.open(io.BytesIO(draw_bars("many", many))).height < 1000


def test_a_picture_of_a_matrix_is_blue_where_images_are_right_and_orange_where_not() -> None:
    names = ["a", "b\u202e\x1b[31m" + "x" * 99]
    picture = Image.open(io.BytesIO(draw_matrix("made", names, [[10, 0], [5, 5]]))).convert("RGB")
    corner = picture.height - 12 - 2 * LARGEST_CELL  # as high as it is wide
    left = next(x for x in range(picture.width) if picture.getpixel((x, corner + 3)) == ImageColor.getrgb(BLUE))

    def colour(row: int, column: int) -> object:
        return picture.getpixel((left + LARGEST_CELL * column + 3, corner + LARGEST_CELL * row + 3))

    assert (colour(0, 0), colour(1, 0)) == (ImageColor.getrgb(BLUE), ImageColor.getrgb(ORANGE))
    assert colour(0, 1) == ImageColor.getrgb(GROUND)
    blue, half, ground = (parts[0] for parts in (colour(0, 0), colour(1, 1), colour(0, 1)))  # type: ignore[index]
    assert half == pytest.approx((blue + ground) / 2, abs=1)
    many = [f"class {number}" for number in range(100)]
    none = Image.open(io.BytesIO(draw_matrix("many", many, [[0] * 100] * 100)))
    assert none.height < 2000, "without images, nothing is divided by 0"


@pytest.mark.parametrize(
    ("low", "high", "ticks"), [(0.66, 1.01, [0.7, 0.8, 0.9, 1.0]), (0.0, 0.9, [0.0, 0.2, 0.4, 0.6, 0.8])]
)
def test_ticks_are_round(low: float, high: float, ticks: list[float]) -> None:
    assert choose_ticks(low, high) == pytest.approx(ticks)


def test_a_part_that_cannot_be_made_is_left_out() -> None:
    kept: Kept[str] = Kept("nothing")
    assert kept.get("first", lambda: str(1 / 0)) == "nothing"
    assert kept.get("first", lambda: "made") == "nothing", "what did not work is not tried again at once"
