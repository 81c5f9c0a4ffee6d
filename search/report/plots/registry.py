"""The kinds of plots; a new one is one entry of PLOTS. Builders import plotly when called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from search.report.plots.data import PlotData


@dataclass(frozen=True, kw_only=True)
class PlotKind:
    """One kind of plot: what it shows, and `draw(data) -> Figure`.

    `draw` raises `NothingToDo` if the study has too few completed trials for it.
    """

    description: str
    draw: Callable[[PlotData], go.Figure]


def _history(data: PlotData) -> go.Figure:
    from search.report.plots.training import draw_history

    return draw_history(data)


def _curves(data: PlotData) -> go.Figure:
    from search.report.plots.training import draw_curves

    return draw_curves(data)


def _timeline(data: PlotData) -> go.Figure:
    from search.report.plots.training import draw_timeline

    return draw_timeline(data)


def _budget_correlation(data: PlotData) -> go.Figure:
    from search.report.plots.training import draw_budget_correlation

    return draw_budget_correlation(data)


def _slice(data: PlotData) -> go.Figure:
    from search.report.plots.parameters import draw_slice

    return draw_slice(data)


def _contour(data: PlotData) -> go.Figure:
    from search.report.plots.parameters import draw_contour

    return draw_contour(data)


def _parallel(data: PlotData) -> go.Figure:
    from search.report.plots.parameters import draw_parallel

    return draw_parallel(data)


def _importances(data: PlotData) -> go.Figure:
    from search.report.plots.parameters import draw_importances

    return draw_importances(data)


def _rank(data: PlotData) -> go.Figure:
    from search.report.plots.parameters import draw_rank

    return draw_rank(data)


def _edf(data: PlotData) -> go.Figure:
    from search.report.plots.parameters import draw_edf

    return draw_edf(data)


def _pareto(data: PlotData) -> go.Figure:
    from search.report.plots.parameters import draw_pareto

    return draw_pareto(data)


PLOTS: dict[str, PlotKind] = {
    "history": PlotKind(
        draw=_history, description="the value of each completed trial over the epochs that the study trained"
    ),
    "curves": PlotKind(
        draw=_curves,
        description="every learning curve: stopped ones grey, those that ran on to check the pruner dotted",
    ),
    "timeline": PlotKind(draw=_timeline, description="what ran when, and where another worker resumed a trial"),
    "budget_correlation": PlotKind(
        draw=_budget_correlation, description="whether early epochs rank the trials as the last one does"
    ),
    "slice": PlotKind(draw=_slice, description="the value over each parameter, with the bounds of its range"),
    "contour": PlotKind(draw=_contour, description="the value over pairs of the most important parameters"),
    "parallel": PlotKind(
        draw=_parallel, description="each completed trial as a line through its parameters, ordered by importance"
    ),
    "importances": PlotKind(
        draw=_importances, description="how much each parameter matters (PED-ANOVA), with its spread over resamples"
    ),
    "rank": PlotKind(draw=_rank, description="pairs of parameters, coloured by the rank of the value"),
    "edf": PlotKind(draw=_edf, description="the share of completed trials that reached at most each value"),
    "pareto": PlotKind(draw=_pareto, description="the value against the time of an epoch"),
}
