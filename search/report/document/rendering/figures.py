"""The plots of a report: every kind that there are enough trials for; of large studies a part, as captions say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import plotly.graph_objects as go
from optuna.trial import TrialState

from search.errors import NothingToDo
from search.report.document.content.comparison import Comparison
from search.report.document.content.study_report import MOST_WEIGHED
from search.report.document.wording.blocks import Plot
from search.report.importances import Importance
from search.report.plots.classes import MOST_LABELS
from search.report.plots.data import PlotData, audited_after, sample_evenly
from search.report.plots.parameters import draw_shares
from search.report.plots.registry import PLOTS, draw
from search.report.plots.style import ACCURACY, as_text, style

FIRST = ("history", "curves", "importances", "slice", "parallel", "contour", "rank", "budget_correlation", "confusion")
"""The order of the plots; the other kinds follow."""
MOST_CURVES = 300
MOST_RUNS = 500
"""Trials of a timeline: the last ones, because rows are counted from when trials begin and end."""
MOST_COMPLETED = {"slice": 300, "parallel": 300, "edf": 500, "importances": MOST_WEIGHED, "contour": 150, "rank": 150}
HEIGHT, PAIRS_HEIGHT, PANEL_HEIGHT, BAR_HEIGHT, CLASS_HEIGHT = 420, 760, 230, 26, 26
"""Pixels of a plot, of pairs of parameters, of a row of panels, of a bar, of a class."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A plot as a document places it."""

    plot: Plot
    height: int
    least_width: int
    """In pixels, as the height; a narrower page scrolls."""
    content: str
    """Plotly's JSON."""


def draw_all(data: PlotData, importances: Sequence[Importance]) -> tuple[list[Figure], list[str]]:
    """Return the figures of a study, and a sentence for each kind that it has too few trials for.

    importances: what was measured on the part that `thin` returns, if it could be; measuring takes seconds.
    """
    figures, missing = [], []
    for kind in (*FIRST, *(kind for kind in PLOTS if kind not in FIRST)):
        thinned, note = thin(kind, data)
        try:
            measured = kind == "importances" and importances
            figure = draw_shares(importances, data.name) if measured else draw(kind, thinned)
            figures.append(_place(kind, PLOTS[kind].description, note, figure))
        except NothingToDo as error:
            missing.append(f"The plot {kind.replace('_', ' ')} is left out: {error}.")
    return figures, missing


def thin(kind: str, data: PlotData) -> tuple[PlotData, str]:
    """Return the part of a study that a plot of this kind draws, and which part it is; empty for all of it."""
    if kind == "curves":
        return _thin_curves(data)
    if kind == "timeline" and len(data.trials) > MOST_RUNS:
        reported = {
            number: epochs for number, epochs in data.reported.items() if number >= len(data.trials) - MOST_RUNS
        }
        return replace(data, reported=reported), f"the last {MOST_RUNS} of {len(data.trials)} trials"
    most, completed = MOST_COMPLETED.get(kind), data.completed
    if most is None or len(completed) <= most:
        return data, ""
    kept = {trial.number for trial in sample_evenly(completed, most)}
    trials = [t for t in data.trials if t.state != TrialState.COMPLETE or t.number in kept]
    return replace(data, trials=trials), f"{most} of {len(completed)} completed trials, from every rank"


def _thin_curves(data: PlotData) -> tuple[PlotData, str]:
    """Keep the best trial, those that ran on as a check, those that run, and of the others every k-th."""
    if len(data.trials) <= MOST_CURVES:
        return data, ""
    best = max(data.completed, key=lambda trial: (float(trial.value or 0.0), -trial.number), default=None)
    always = [t for t in data.trials if t is best or t.state == TrialState.RUNNING or audited_after(t) is not None]
    always = [*([] if best is None else [best]), *always[-(MOST_CURVES // 2) :]]
    others = data.trials[:: -(-len(data.trials) // (MOST_CURVES - len(always)))]
    kept = sorted({trial.number: trial for trial in (*always, *others)}.values(), key=lambda trial: trial.number)
    return replace(data, trials=kept), f"{len(kept)} of {len(data.trials)} trials"


def _place(kind: str, description: str, note: str, figure: go.Figure) -> Figure:
    """Take a figure's title out of it: the document sets it, and plotly would cut it off on a narrow page."""
    meta = figure.layout.meta or {}
    drawn = f"Drawn: {note}. " if note else ""
    caption = f"{drawn}{description[:1].upper()}{description[1:]}."
    caption += f" {_capitalize(meta['subtitle'])}." if meta.get("subtitle") else ""
    figure.update_layout(title=None, margin={"t": 44})
    return Figure(
        plot=Plot(kind=kind, title=_capitalize(meta.get("title", kind)), caption=caption),
        height=_measure_height(kind, figure),
        least_width=int(meta.get("least_width", 0)),
        content=str(figure.to_json()),
    )


def _capitalize(text: str) -> str:
    return text[:1].upper() + text[1:]


def _measure_height(kind: str, figure: go.Figure) -> int:
    sizes: dict[str, Callable[[], int]] = {
        "slice": lambda: 90 + PANEL_HEIGHT * -(-len(_list_panels(figure)) // 4),
        "contour": lambda: PAIRS_HEIGHT,
        "rank": lambda: PAIRS_HEIGHT,
        "confusion": lambda: 190 + CLASS_HEIGHT * min(len(figure.data[0].y), MOST_LABELS),
        "importances": lambda: 130 + BAR_HEIGHT * len(figure.data[0].y),
    }
    return sizes[kind]() if kind in sizes else HEIGHT


def _list_panels(figure: go.Figure) -> Sequence[object]:
    return [trace for trace in figure.data if trace.type == "scatter"]


def draw_comparison(comparison: Comparison) -> Figure:
    """Draw the best completed trial of each study over the epochs that it had trained."""
    figure = go.Figure()
    for each in comparison.studies:
        points = [*each.best_so_far]
        if points:
            points.append((each.epochs_trained, points[-1][1]))
        figure.add_scatter(
            x=[epochs for epochs, _ in points],
            y=[value for _, value in points],
            mode="lines",
            line={"shape": "hv", "width": 2},
            name=as_text(each.study),
            hovertemplate="%{y:.4f} after %{x} epochs<extra></extra>",
        )
    if comparison.common_epochs:
        figure.add_vline(x=comparison.common_epochs, line={"dash": "dot", "width": 1, "color": "#555"})
    figure.update_xaxes(title="epochs trained by all trials that had ended", rangemode="tozero")
    figure.update_yaxes(title=f"best {ACCURACY} so far")
    style(figure, "", "best value over epochs", "the dotted line: what every study has trained")
    figure.update_layout(showlegend=True)
    return _place("comparison", "the best completed trial of each study over the epochs that it trained", "", figure)
