"""What is printed for people."""

from __future__ import annotations

import re

import pytest

from search.display.output import Decoding, format_float, print_table


@pytest.mark.parametrize("decoded", [0, 1])
def test_the_progress_of_decoding_leaves_no_line_in_a_pipe(decoded: int, capsys: pytest.CaptureFixture[str]) -> None:
    with Decoding("decoding digits") as show:
        for done in range(decoded):
            show(done, decoded)
    assert tuple(capsys.readouterr()) == ("", "")


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.99999, "0.99999"), (1.0, "1"), (0.05, "0.05"), (0.0123456, "0.0123"), (2000.0, "2e+03"), (1e-9, "1e-09")],
)
def test_what_is_not_whole_does_not_look_whole(value: float, shown: str) -> None:
    assert format_float(value, 3) == shown


def test_where_a_table_is_too_wide_numbers_stay_whole_and_long_headings_take_two_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr("search.display.output.measure_width", lambda: 200)
    print_table(("standard deviation", "configuration"), [("0.0100", "width=64 " * 30)])
    first, second, row, *_ = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out).splitlines()
    assert (first.split(), second.split()) == (["standard"], ["deviation", "configuration"])
    assert row.split()[:2] == ["0.0100", "width=64"]
    print_table(("standard deviation", "configuration"), [("0.0100", "width=64")])
    heading, *_ = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out).splitlines()
    assert heading.split() == ["standard", "deviation", "configuration"]


def test_in_a_pipe_a_row_is_a_line_however_wide(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("standard deviation", "configuration"), [("0.0100", "width=64 " * 60)])
    heading, row = capsys.readouterr().out.splitlines()
    assert heading.split() == ["standard", "deviation", "configuration"]
    assert row.split() == ["0.0100", *["width=64"] * 60]
