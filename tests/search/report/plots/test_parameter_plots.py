"""What plots of the parameters draw, against values worked out by hand."""

from __future__ import annotations

from collections import Counter

import pytest
from optuna.trial import TrialState

from search.report.plots import parameters
from search.report.plots.data import sample_evenly
from search.report.plots.parallel import ABSENT, scale_parameter
from search.report.plots.parameters import (
    draw_contour,
    draw_edf,
    draw_parallel,
    draw_pareto,
    draw_slice,
    find_front,
)
from search.report.plots.shown import show_as_text
from search.report.plots.style import choose_log_ticks, shorten_shown
from tests.search.report.plots.made import make_data, make_trial, report

TRIALS = (
    make_trial(0, (0.5,), params={"learning_rate": 0.01, "batch_size": 64, "norm": None}),
    make_trial(1, (0.9,), TrialState.PRUNED, params={"learning_rate": 0.5, "batch_size": 128, "norm": True}),
    make_trial(2, (0.7,), params={"learning_rate": 0.1, "batch_size": 32, "norm": False, "momentum": 0.9}),
    make_trial(3, (0.6,), params={"learning_rate": 1.0, "batch_size": 128, "norm": None, "momentum": 0.5}),
)


def test_a_slice_has_the_bounds_of_its_range() -> None:
    figure = draw_slice(make_data(*TRIALS))
    panels = {trace.name: trace for trace in figure.data}
    assert list(panels) == ["batch_size", "learning_rate", "momentum", "norm"]
    assert (panels["learning_rate"].x, panels["learning_rate"].y) == ((0.01, 0.1, 1.0), (0.5, 0.7, 0.6))
    assert (panels["momentum"].x, list(panels["momentum"].customdata)) == ((0.9, 0.5), [2, 3])
    assert panels["norm"].x == ("None", "False", "None")
    assert sorted(shape.x0 for shape in figure.layout.shapes) == [1e-4, 0.5, 0.99, 1.0]
    assert figure.layout.xaxis.categoryarray == (128, 32, 64)
    assert (figure.layout.xaxis2.type, figure.layout.xaxis3.type) == ("log", None)


def test_parallel_axes_go_from_the_lowest_to_the_highest() -> None:
    shown = show_as_text([TRIALS[0], *TRIALS[2:]])
    assert scale_parameter(shown, "learning_rate").heights == pytest.approx((0.0, 0.5, 1.0))
    assert scale_parameter(shown, "batch_size").heights == (0.5, 0.0, 1.0)
    momentum = scale_parameter(shown, "momentum")
    assert momentum.heights == (ABSENT, 1.0, 0.0)
    assert momentum.ticks == ((ABSENT, "not used"), (0.0, "0.5"), (1.0, "0.9"))
    assert scale_parameter(shown, "norm").ticks == ((0.0, "None"), (1.0, "False"))
    assert sum(y is None for trace in draw_parallel(make_data(*TRIALS)).data for y in trace.y) == 3


def test_the_distribution_steps_at_each_completed_value() -> None:
    [steps] = draw_edf(make_data(*TRIALS)).data
    assert (steps.x, steps.y) == ((0.5, 0.6, 0.7), pytest.approx((1 / 3, 2 / 3, 1.0)))


def test_the_front_has_what_nothing_beats_in_both() -> None:
    points = [(3.0, 0.8), (1.0, 0.5), (1.0, 0.6), (2.0, 0.55), (2.5, 0.6), (4.0, 0.9), (4.0, 0.9)]
    assert find_front(points) == [(1.0, 0.6), (3.0, 0.8), (4.0, 0.9)]
    assert find_front([]) == []
    reported = {0: report(1.0, 3.0), 1: report(0.1), 2: report(5.0), 3: report(6.0)}
    completed, front = draw_pareto(make_data(*TRIALS, reported=reported)).data
    assert (completed.x, completed.y) == ((2.0, 5.0, 6.0), (0.5, 0.7, 0.6))
    assert (front.x, front.y) == ((2.0, 5.0), (0.5, 0.7))


def test_a_large_contour_draws_trials_of_every_rank_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    trials = [make_trial(k, (k * 7 % 11 / 11,), params={"width": 16 + k, "learning_rate": 0.1**k}) for k in range(4)]
    assert [trial.number for trial in sample_evenly(trials, 3)] == [
        0,
        1,
        3,
    ]  # values 0, 7/11, 3/11 and 10/11; ranks 1, 3, 2, 4
    assert sample_evenly(trials, 4) == trials
    monkeypatch.setattr(parameters, "MOST_CONTOURED", 3)
    figure = draw_contour(make_data(*trials))
    assert "3 of 4 completed trials" in figure.layout.title.text
    assert {len(trace.x) for trace in figure.data if trace.type == "scatter" and trace.x} == {3}


def test_pairs_keep_the_names_of_every_row_and_column() -> None:
    figure = draw_contour(make_data(*TRIALS))
    titles = Counter(axis.title.text for axis in (*figure.select_xaxes(), *figure.select_yaxes()) if axis.title.text)
    assert titles == dict.fromkeys(("batch_size", "learning_rate", "momentum", "norm"), 2)
    assert all(trace.x is not None for trace in figure.data)


def test_what_is_too_long_is_cut_as_it_is_shown() -> None:
    assert shorten_shown("a&lt;b&gt;c", 5) == "a&lt;b&gt;c"
    assert shorten_shown("a&lt;b&gt;c", 4) == "a&lt;b…"


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (16, 256, [20, 50, 100, 200]),
        (1e-4, 1.0, [1e-4, 1e-2, 1.0]),
        (0.1, 10, [0.1, 1.0, 10.0]),
        (3.5, 4.5, [3.5, 4.5]),
    ],
)
def test_ticks_of_a_logarithmic_axis_are_few_and_round(low: float, high: float, ticks: list[float]) -> None:
    assert choose_log_ticks(low, high) == ticks
