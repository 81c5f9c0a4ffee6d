"""Plots of what the parameters do to the value; only completed trials have one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import plotly.graph_objects as go
from optuna import visualization
from optuna.distributions import CategoricalDistribution
from optuna.study import Study
from optuna.trial import FrozenTrial
from plotly.subplots import make_subplots

from search.errors import NothingToDo
from search.report.importances import Importance, collect, measure_importances, rank_parameters
from search.report.plots.data import PlotData, ReportedEpoch, sample_evenly
from search.report.plots.parallel import draw_lines
from search.report.plots.shown import show_as_text
from search.report.plots.style import ACCURACY, BLUE, DARK_GREY, NAVY, as_text, choose_log_ticks, shorten_shown, style

MOST_IN_A_SLICE = 12
SLICE_COLUMNS = 4
MOST_IN_A_CONTOUR = 4
MOST_IN_PARALLEL = 8
MOST_CONTOURED = 150
"""Trials of a contour: a page grows with the square of their number, to 55 MB for 1,000."""


def draw_slice(data: PlotData) -> go.Figure:
    """Draw the value over each parameter, the most important first, with the bounds of its range dashed."""
    trials = show_as_text(data.require_completed(2))
    names = _rank(data, trials)[:MOST_IN_A_SLICE]
    columns = min(SLICE_COLUMNS, len(names))
    figure = make_subplots(rows=-(-len(names) // columns), cols=columns, shared_yaxes=True, vertical_spacing=0.16)
    for place, name in enumerate(names):
        _draw_slice(figure, trials, name, row=place // columns + 1, column=place % columns + 1)
    figure.update_yaxes(title=ACCURACY, col=1)
    figure.update_layout(showlegend=False)
    return style(figure, data.name, "value by parameter", data.describe_left_out(), panels=columns)


def _draw_slice(figure: go.Figure, trials: Sequence[FrozenTrial], name: str, *, row: int, column: int) -> None:
    """Draw one panel: a choice as rows of dots, a number on its scale between its bounds."""
    having = [trial for trial in trials if name in trial.params]
    found = having[-1].distributions[name]
    figure.add_scatter(
        x=[trial.params[name] for trial in having],
        y=[trial.value for trial in having],
        mode="markers",
        name=name,
        marker={"color": BLUE, "size": 6, "opacity": 0.7},
        customdata=[trial.user_attrs["number"] for trial in having],
        hovertemplate="trial %{customdata}: %{y:.4f} at %{x}<extra></extra>",
        row=row,
        col=column,
    )
    axis = {"title": {"text": shorten_shown(name, 20), "standoff": 4}, "row": row, "col": column}
    if isinstance(found, CategoricalDistribution):
        choices, texts = list(found.choices), [shorten_shown(str(choice), 9) for choice in found.choices]
        axis |= {"categoryorder": "array", "categoryarray": choices, "tickvals": choices, "ticktext": texts}
        figure.update_xaxes(type="category", **axis)
        return
    low, high = float(found.low), float(found.high)  # type: ignore[attr-defined]
    if found.log:  # type: ignore[attr-defined]
        figure.update_xaxes(type="log", tickvals=choose_log_ticks(low, high), **axis)
    else:
        figure.update_xaxes(nticks=5, **axis)
    for bound in (low, high):
        figure.add_vline(x=bound, row=row, col=column, line={"color": DARK_GREY, "dash": "dash", "width": 1})


def draw_contour(data: PlotData) -> go.Figure:
    """Draw the value over each pair of the most important parameters."""
    completed = data.require_completed(2)
    drawn = sample_evenly(completed, MOST_CONTOURED)
    study, names = _choose_pairs(data, drawn)
    figure = _set_ticks(visualization.plot_contour(study, params=names, target_name=ACCURACY))
    _fill_diagonal(figure, study, names)
    note = f"{len(drawn)} of {len(completed)} completed trials, from every rank" if len(drawn) < len(completed) else ""
    return style(figure, data.name, "value by pairs of parameters", note or data.describe_left_out(), panels=len(names))


def _fill_diagonal(figure: go.Figure, study: Study, names: Sequence[str]) -> None:
    """Give Optuna's panels of a parameter with itself, which are empty, values that are not seen.

    Without any, browsers report errors; without the panels, labels of rows and columns are gone.
    """
    empty = [trace for trace in figure.data if trace.type == "scatter" and trace.x is None]
    for trace, name in zip(empty, sorted(names), strict=False):  # one pair alone has no such panels
        values = [trial.params[name] for trial in study.trials if name in trial.params]
        trace.update(x=values, y=values, mode="markers", opacity=0, hoverinfo="skip", showlegend=False)


def draw_rank(data: PlotData) -> go.Figure:
    """Draw each pair of the most important parameters, coloured by the rank of the value."""
    study, names = _choose_pairs(data, data.require_completed(2))
    figure = _set_ticks(visualization.plot_rank(study, params=names, target_name=ACCURACY))
    return style(figure, data.name, "rank by pairs of parameters", data.describe_left_out(), panels=len(names))


def draw_parallel(data: PlotData) -> go.Figure:
    """Draw each completed trial as a line through its parameters, the most important next to the value."""
    trials = show_as_text(data.require_completed(2))
    names = _rank(data, trials)[:MOST_IN_PARALLEL]
    figure = draw_lines(trials, names)
    return style(figure, data.name, "configurations", data.describe_left_out(), panels=len(names))


def draw_importances(data: PlotData) -> go.Figure:
    """Draw how much each parameter matters, with its spread over resampled studies."""
    return draw_shares(measure_importances(data.completed, data.name), data.name)


def draw_shares(importances: Sequence[Importance], study: str) -> go.Figure:
    """Draw importances that have been measured, the highest first."""
    found = importances[::-1]
    figure = go.Figure()
    figure.add_bar(
        x=[each.share for each in found],
        y=[as_text(each.name) for each in found],
        orientation="h",
        marker={"color": BLUE},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [max(0.0, each.high - each.share) for each in found],
            "arrayminus": [max(0.0, each.share - each.low) for each in found],
            "color": NAVY,
        },
    )
    figure.update_xaxes(title="share of all importances")
    names = [as_text(each.name) for each in found]
    figure.update_yaxes(automargin=True, tickvals=names, ticktext=[shorten_shown(name, 24) for name in names])
    spread = "PED-ANOVA; thin lines: the range in 8 of 10 resampled studies"
    return style(figure, study, "importance of parameters", spread)


def draw_edf(data: PlotData) -> go.Figure:
    """Draw the share of the completed trials that reached at most each value."""
    values = sorted(float(trial.value or 0.0) for trial in data.require_completed(2))
    shares = [count / len(values) for count in range(1, len(values) + 1)]
    figure = go.Figure()
    figure.add_scatter(x=values, y=shares, mode="lines+markers", line={"color": BLUE, "shape": "hv"})
    figure.update_xaxes(title=ACCURACY)
    figure.update_yaxes(title="share of the trials with at most this value", range=[0, 1.03])
    return style(figure, data.name, "distribution of values", data.describe_left_out())


def draw_pareto(data: PlotData) -> go.Figure:
    """Draw the value against the time of an epoch; the line joins the trials that no other beats in both."""
    points = sorted(
        (seconds, float(trial.value or 0.0), trial.number)
        for trial in data.require_completed(1)
        if (seconds := _measure_epoch(data.reported.get(trial.number, ()))) is not None
    )
    if not points:
        raise NothingToDo(f"no completed trial of study {data.name!r} has stored how long its epochs took")
    front = find_front([(seconds, value) for seconds, value, _ in points])
    figure = go.Figure()
    figure.add_scatter(
        x=[seconds for seconds, _, _ in points],
        y=[value for _, value, _ in points],
        customdata=[number for _, _, number in points],
        mode="markers",
        name="completed",
        marker={"color": BLUE, "size": 7},
        hovertemplate="trial %{customdata}: %{y:.4f}, %{x:.3g} s an epoch<extra></extra>",
    )
    figure.add_scatter(
        x=[seconds for seconds, _ in front],
        y=[value for _, value in front],
        mode="lines+markers",
        name="none is both better and faster",
        line={"color": NAVY, "shape": "hv"},
    )
    figure.update_xaxes(title="seconds an epoch (mean)", type="log", nticks=6)
    figure.update_yaxes(title=ACCURACY)
    return style(figure, data.name, "value against time", data.describe_left_out())


def find_front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the (cost, value) that no other point beats in both, by cost: a lower cost, a higher value."""
    ordered = sorted(set(points), key=lambda point: (point[0], -point[1]))
    best = accumulate((value for _, value in ordered), max, initial=float("-inf"))
    return [point for point, before in zip(ordered, best, strict=False) if point[1] > before]


def _measure_epoch(epochs: Sequence[ReportedEpoch]) -> float | None:
    """Return the mean seconds of an epoch; None if none has stored how long it took, or all took no time."""
    seconds = [each.seconds for each in epochs if each.seconds is not None]
    return sum(seconds) / len(seconds) if sum(seconds) > 0 else None


def _rank(data: PlotData, trials: Sequence[FrozenTrial], count: int = 1) -> list[str]:
    """Return the parameters that vary, the most important first.

    Raises:
        NothingToDo: fewer than `count` do.
    """
    names = rank_parameters(trials)
    if len(names) < count:
        raise NothingToDo(
            f"this plot needs {'a parameter that varies' if count == 1 else f'{count} parameters that vary'} over the "
            f"completed trials of study {data.name!r}, which has {len(names)}; train more, or plot `history`"
        )
    return names


def _set_ticks(figure: go.Figure) -> go.Figure:
    """Replace the ticks of logarithmic axes, which are too many for small panels."""

    def change(axis: go.layout.XAxis | go.layout.YAxis) -> None:
        if axis.type == "log" and axis.range is not None:
            axis.tickvals = choose_log_ticks(10 ** axis.range[0], 10 ** axis.range[1])

    figure.for_each_xaxis(change)
    figure.for_each_yaxis(change)
    return figure


def _choose_pairs(data: PlotData, completed: Sequence[FrozenTrial]) -> tuple[Study, list[str]]:
    """Return completed trials as Optuna draws them, and the parameters whose pairs are drawn."""
    trials = show_as_text(completed)
    return collect(trials), _rank(data, trials, 2)[:MOST_IN_A_CONTOUR]
