"""The kinds of plots; a new one is one entry of PLOTS and its function `draw_<name>(data) -> Figure`."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from search.report.plots.data import PlotData

TRAINING, PARAMETERS = "search.report.plots.training", "search.report.plots.parameters"
CLASSES = "search.report.plots.classes"


@dataclass(frozen=True, kw_only=True)
class PlotKind:
    """One kind of plot."""

    home: str
    """The module that draws it, which imports plotly: it is imported when the plot is drawn."""
    description: str
    """What it shows."""
    shows_one: bool = False
    """Whether it shows a single trial, which can be named."""


PLOTS: dict[str, PlotKind] = {
    "history": PlotKind(
        home=TRAINING, description="the value of each completed trial over the epochs that the study trained"
    ),
    "curves": PlotKind(
        home=TRAINING, description="every learning curve: stopped ones grey, those that ran on as a check dotted"
    ),
    "timeline": PlotKind(home=TRAINING, description="what trained when, and where training was interrupted"),
    "budget_correlation": PlotKind(
        home=TRAINING, description="whether early epochs rank the completed trials as their last epoch does"
    ),
    "slice": PlotKind(home=PARAMETERS, description="the value over each parameter, with the bounds of its range"),
    "contour": PlotKind(home=PARAMETERS, description="the value over pairs of the most important parameters"),
    "parallel": PlotKind(
        home=PARAMETERS, description="each completed trial as a line through its parameters, ordered by importance"
    ),
    "importances": PlotKind(
        home=PARAMETERS, description="how much each parameter matters (PED-ANOVA), with its spread over resamples"
    ),
    "rank": PlotKind(
        home=PARAMETERS, description="pairs of the most important parameters, coloured by the rank of the value"
    ),
    "edf": PlotKind(home=PARAMETERS, description="the share of completed trials that reached at most each value"),
    "pareto": PlotKind(home=PARAMETERS, description="the value against the seconds of an epoch"),
    "confusion": PlotKind(
        home=CLASSES,
        description="which classes the best trial, or another one, takes for which on the validation images",
        shows_one=True,
    ),
}


def check_trial(kind: str, trial: int | None) -> None:
    """Refuse a trial that is named for a plot which shows them all.

    Raises:
        ObjectiveError: there is no such kind.
        UsageError: it shows all trials.
    """
    from objectives.base.registry import look_up  # as below
    from search.errors import UsageError

    if trial is not None and not look_up(PLOTS, kind, "plot").shows_one:
        single = ", ".join(name for name, entry in PLOTS.items() if entry.shows_one)
        raise UsageError(f"--trial is for a plot of a single trial ({single}), but got --trial {trial} for {kind}")


def draw(kind: str, data: PlotData) -> go.Figure:
    """Draw a study.

    Raises:
        ObjectiveError: there is no such kind.
        NothingToDo: the study has too few completed trials for it.
    """
    from objectives.base.registry import look_up  # which imports Optuna, and `search --help` reads this module

    home = look_up(PLOTS, kind, "plot").home
    return getattr(importlib.import_module(home), f"draw_{kind}")(data)
