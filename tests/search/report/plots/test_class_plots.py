"""The plot of classes that are taken for others, against a matrix made by hand."""

from __future__ import annotations

import math

import pytest

from objectives.base.errors import ObjectiveError
from search.errors import NothingToDo, UsageError
from search.report.plots.classes import MOST_LABELS, MOST_NUMBERED, draw_confusion
from search.report.plots.registry import check_trial
from storage.history.confusions import Confusion
from tests.search.report.plots.made import MATRIX, make_data, make_trial

BEST = make_trial(0, (0.5, 0.6, 0.8))


def shown(cells: object) -> list[list[float | None]]:
    return [[None if math.isnan(cell) else cell for cell in row] for row in cells]  # type: ignore[attr-defined]


def test_shares_are_those_of_the_class_and_right_ones_stand_apart() -> None:
    figure = draw_confusion(make_data(BEST))
    right, wrong = figure.data
    assert shown(right.z) == [[12 / 19, None, None], [None, 20 / 21, None], [None, None, 8 / 10]]
    assert shown(wrong.z) == [[None, 7 / 19, None], [1 / 21, None, None], [None, 2 / 10, None]]
    assert (right.zmax, wrong.zmax) == (20 / 21, 7 / 19)
    assert [list(row) for row in wrong.text] == [["", "7", ""], ["1", "", ""], ["", "2", ""]]
    assert wrong.customdata[0][1] == 19
    assert figure.layout.yaxis.autorange == "reversed"
    said = "10 of 50 validation images taken for another class, in epoch 3"
    assert said in figure.layout.title.text
    assert "trial 0" in figure.layout.title.text


def test_many_classes_have_neither_numbers_nor_every_label() -> None:
    count = MOST_LABELS + 1
    counts = tuple(tuple(int(row == column) for column in range(count)) for row in range(count))
    matrix = Confusion(epoch=0, classes=tuple(f"class {k}" for k in range(count)), counts=counts)
    right, wrong = draw_confusion(make_data(BEST, matrix=matrix)).data
    assert count > MOST_NUMBERED
    assert (right.texttemplate, wrong.texttemplate) == (None, None)
    assert len(draw_confusion(make_data(BEST, matrix=matrix)).layout.xaxis.tickvals) == MOST_LABELS // 2 + 1
    assert shown(wrong.z) == [[None] * count] * count


def test_a_class_without_images_and_one_that_is_never_right_are_shown() -> None:
    matrix = Confusion(epoch=0, classes=("a", "b"), counts=((0, 0), (3, 0)))
    right, wrong = draw_confusion(make_data(BEST, matrix=matrix)).data
    assert shown(right.z) == [[0.0, None], [None, 0.0]]
    assert shown(wrong.z) == [[None, None], [1.0, None]]


def test_what_is_missing_is_said() -> None:
    with pytest.raises(NothingToDo, match=r"trial 0 of study 'made' has no confusion matrix: .*--trial N"):
        draw_confusion(make_data(BEST, matrix=None))
    check_trial("confusion", 3)
    check_trial("history", None)
    with pytest.raises(UsageError, match=r"of a single trial \(confusion\), but got --trial 3 for history"):
        check_trial("history", 3)
    with pytest.raises(ObjectiveError, match=r"did you mean confusion\?"):
        check_trial("confusions", 3)


def test_names_that_are_cut_to_the_same_stay_classes_of_their_own() -> None:
    classes = ("a" * 40 + "1", "a" * 40 + "2", "c")
    figure = draw_confusion(make_data(BEST, matrix=Confusion(epoch=0, classes=classes, counts=MATRIX.counts)))
    assert list(figure.data[0].x) == list(classes)
    assert len(set(figure.layout.xaxis.ticktext)) == 2
