"""`search lr-range`: no study and no storage; a curve, its points, and the line to search with."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from objectives.core.overriding import override_objective
from objectives.discovery import find_objective
from tests.search.command import done, search

SHORT = ("lr-range", "--objective", "digits-depth", "--set", "width=32", "--set", "depth=1", "--device", "cpu")


def test_each_optimizer_of_the_space_gets_a_range_that_a_study_takes(home: Path, tmp_path: Path) -> None:
    page = tmp_path / "curves.html"
    ended = done(*SHORT, "--set", "optimizer=nesterov,nadam", "--steps", "100", "--json", "--plot", page)
    found = ended.document
    assert [each["optimizer"] for each in found["ranges"]] == ["nesterov", "nadam"]
    assert found["configuration"]["width"] == 32
    for each in found["ranges"]:
        assert 20 < len(each["points"]) <= 100
        assert each["steepest"] < each["lowest"] < each["blow_up"]
        assert re.fullmatch(rf"{each['optimizer']}.learning_rate=[\de.-]+:[\de.-]+", each["proposed"])
    proposed = [each["proposed"] for each in found["ranges"]]
    override_objective(find_objective("digits-depth").objective, ["optimizer=nesterov,nadam", *proposed])
    assert "blow-up" in page.read_text()
    assert not (home / "postgres").exists()


def test_a_person_gets_a_curve_and_the_line(home: Path) -> None:
    shown = done(*SHORT, "--set", "optimizer=nesterov", "--steps", "100").out
    assert "steepest" in shown
    assert re.search(r"^--set learning_rate=[\de.-]+:[\de.-]+$", shown, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--low", "1", "--high", "0.1"], ["--low 1", "--high 0.1"]),
        (["--steps", "3"], ["--steps", "but got 3"]),
        (["--plot", "curves.gif"], [".html", "curves.gif"]),
        (["--set", "activation=selu"], ["--set initializer=lecun_normal"]),
    ],
)
def test_a_wrong_flag_is_refused_with_the_rule(arguments: list[str], words: list[str]) -> None:
    ended = search(*SHORT, *arguments)
    assert ended.code == 2
    assert all(word in ended.err for word in words)
