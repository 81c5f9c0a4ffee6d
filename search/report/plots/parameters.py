"""Plots of what the parameters do to the value; only completed trials have one."""

from __future__ import annotations

import plotly.graph_objects as go
from optuna import visualization
from optuna.distributions import CategoricalDistribution

from search.report.importances import measure_importances, rank_parameters
from search.report.plots.data import PlotData
from search.report.plots.style import ACCURACY, BLUE, GREY, NAVY, style

MOST_IN_A_SLICE = 12
MOST_IN_A_CONTOUR = 4
MOST_IN_PARALLEL = 10


def draw_slice(data: PlotData) -> go.Figure:
    """Draw the value over each parameter, the most important first, with the bounds of its range dashed."""
    names = _rank(data)[:MOST_IN_A_SLICE]
    figure = visualization.plot_slice(data.study, params=names, target_name=ACCURACY)
    for column, name in enumerate(sorted(names), start=1):
        bounds = _find_bounds(data, name)
        for bound in bounds:
            figure.add_vline(x=bound, row=1, col=column, line={"color": GREY, "dash": "dash", "width": 1})
    return style(figure, f"{data.study.study_name}: value by parameter", data.left_out())


def draw_contour(data: PlotData) -> go.Figure:
    """Draw the value over each pair of the most important parameters."""
    figure = visualization.plot_contour(data.study, params=_rank(data)[:MOST_IN_A_CONTOUR], target_name=ACCURACY)
    return style(figure, f"{data.study.study_name}: value by pairs of parameters", data.left_out())


def draw_parallel(data: PlotData) -> go.Figure:
    """Draw each completed trial as a line through its parameters, the most important next to the value."""
    names = _rank(data)[:MOST_IN_PARALLEL]
    figure = visualization.plot_parallel_coordinate(data.study, params=names, target_name=ACCURACY)
    value, *others = figure.data[0].dimensions
    by_name = dict(zip(sorted(names), others, strict=True))
    figure.data[0].dimensions = (value, *(by_name[name] for name in names))
    return style(figure, f"{data.study.study_name}: configurations", data.left_out())


def draw_rank(data: PlotData) -> go.Figure:
    """Draw each pair of the most important parameters, coloured by the rank of the value."""
    figure = visualization.plot_rank(data.study, params=_rank(data)[:MOST_IN_A_CONTOUR], target_name=ACCURACY)
    return style(figure, f"{data.study.study_name}: ranks by pairs of parameters", data.left_out())


def draw_importances(data: PlotData) -> go.Figure:
    """Draw how much each parameter matters, with its spread over resampled studies."""
    found = measure_importances(data.completed, data.study.study_name)[::-1]
    figure = go.Figure()
    figure.add_bar(
        x=[each.share for each in found],
        y=[each.name for each in found],
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
    figure.update_xaxes(title="share of the importance (PED-ANOVA); 80% of resampled studies")
    figure.update_yaxes(automargin=True)
    return style(figure, f"{data.study.study_name}: importance of parameters", data.left_out())


def draw_edf(data: PlotData) -> go.Figure:
    """Draw the share of the completed trials that reached at most each value."""
    data.require_completed(2)
    figure = visualization.plot_edf(data.study, target_name=ACCURACY)
    return style(figure, f"{data.study.study_name}: distribution of values", data.left_out())


def draw_pareto(data: PlotData) -> go.Figure:
    """Draw the value against the time of an epoch; the line joins the trials that no other beats in both."""
    timed = [
        (trial, sum(seconds) / len(seconds))
        for trial in data.require_completed(2)
        if (seconds := [each.seconds for each in data.reported.get(trial.number, ()) if each.seconds is not None])
    ]
    points = sorted((seconds, float(trial.value or 0.0), trial.number) for trial, seconds in timed)
    front, best = [], -1.0
    for seconds, value, _ in points:
        if value > best:
            front.append((seconds, value))
            best = value
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
        mode="lines",
        name="not beaten in both",
        line={"color": NAVY, "shape": "hv"},
    )
    figure.update_xaxes(title="seconds an epoch", type="log")
    figure.update_yaxes(title=ACCURACY)
    return style(figure, f"{data.study.study_name}: value against time", data.left_out())


def _rank(data: PlotData) -> list[str]:
    return rank_parameters(data.require_completed(2))


def _find_bounds(data: PlotData, name: str) -> tuple[float, ...]:
    """Return the ends of a parameter's range; none for one of choices."""
    found = next(trial.distributions[name] for trial in data.trials if name in trial.distributions)
    return () if isinstance(found, CategoricalDistribution) else (float(found.low), float(found.high))  # type: ignore[attr-defined]
