"""The table of configurations, as people read it."""

from __future__ import annotations

import pytest

from search.display.comparison_report import show_comparison
from search.strategies.repeated.comparison import ComparedConfiguration, Comparison
from tests.search.strategies.repeated.made import PRUNED, compare, member, study_of
from tests.search.strategies.repeated.test_comparison import TABLE


def test_the_table_shows_what_differs_and_says_how_that_was_judged(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [member(number, repeat, [value]) for number, row in TABLE.items() for repeat, value in enumerate(row)]
    show_comparison(compare(study_of(*rows, member(9, 0, [0.5], PRUNED)).trials))
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "mean standard deviation n trial below the best configuration",
        "1.0000 0.1000 3 of 3 6 best x=0.06",
        "0.9500 0.1054 3 of 3 3 yes x=0.03",
        "0.9000 0.0954 3 of 3 0 yes x=0",
        "- - 0 of 3 9 stopped x=0.09",
        "3 of 3 differences exceed the noise: one trial's is 0.0100, and two means stand out from about 0.0323 apart "
        "on (paired by seed, t with 4 degrees of freedom, Holm's correction for 3 pairs, 5%)",
        "3 repeats show only large differences: configurations that are within the noise may still differ",
    ]


def test_single_trials_are_told_to_tell_nothing_of_chance(capsys: pytest.CaptureFixture[str]) -> None:
    trials = study_of(member(0, 0, [0.5], repeats=1), member(1, 0, [0.6], repeats=1)).trials
    show_comparison(compare(trials))
    out = capsys.readouterr().out
    assert "one trial each: how much of a difference is chance is not known; --repeats 3 would tell" in out
    show_comparison(compare([]))
    assert capsys.readouterr().out == ""


def test_a_long_table_is_cut_and_what_is_common_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    found = Comparison(
        repeats=2,
        configurations=tuple(
            ComparedConfiguration(
                configuration=2 * number,
                state="complete",
                params={"x": number, "same": "yes"},
                mean=0.9 - number / 100,
                standard_deviation=0.5 if number == 39 else 0.01,
                n=2,
                values=(),
                worse_than=(),
            )
            for number in range(40)
        ),
        compared=40,
        noise=0.1,
        degrees=39,
        least_difference=0.3,
    )
    show_comparison(found)
    out = capsys.readouterr().out
    assert "10 other configurations: `--json` lists all of them" in out
    assert out.count("same=yes") == 1
    assert "all have same=yes" in out
    assert "within the noise" in out
    assert "some configurations vary far more than the others" in out
