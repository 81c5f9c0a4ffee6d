"""Our plots of a study as optuna-dashboard's graph objects; of a large study they show a part, in few bytes."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from optuna.trial import FrozenTrial, TrialState, create_trial

from search.errors import NothingToDo
from search.report.importances import rank_parameters
from search.report.plots.data import PlotData
from search.report.plots.registry import draw
from search.report.plots.style import as_text, shorten

if TYPE_CHECKING:
    import plotly.graph_objects as go

KEY = "dashboard:plot_data:search-{kind}:0"
MOST_CURVE_EPOCHS = 4000
FEWEST_CURVES = 40
MOST_POINTS = 800
"""Completed trials of the history."""
MOST_SLICED = 300
"""Completed trials of the slice plot."""
SLICED = 3
"""Its parameters: the most important ones, which a card has room for."""
DIGITS = 5
LARGEST_BYTES = 200_000

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Graph:
    """One plot as the page shows it."""

    choose: Callable[[PlotData], tuple[PlotData, str]]
    """Leaves out what a large study has too much of, and says so; empty if nothing is left out."""
    finish: Callable[[go.Figure], None] = lambda figure: None
    """Leaves out what was drawn in too many points."""


def draw_graphs(data: PlotData) -> dict[str, str]:
    """Return the attributes by which optuna-dashboard shows the plots that the study has trials enough for."""
    drawn = {kind: _draw(kind, graph, data) for kind, graph in GRAPHS.items()}
    return {KEY.format(kind=kind): figure for kind, figure in drawn.items() if figure is not None}


def _draw(kind: str, graph: Graph, data: PlotData) -> str | None:
    chosen, left_out = graph.choose(data)
    try:
        figure = draw(kind, chosen)
    except NothingToDo:
        return None
    graph.finish(figure)
    figure.update_layout(title_text=_shorten_title(str(figure.layout.title.text), data.name, left_out))
    figure.layout.template.data = None  # 5 kB for kinds of traces that this plot has none of
    document = json.dumps(_round(figure.to_plotly_json()), separators=(",", ":"), default=_convert)
    if len(document) > LARGEST_BYTES:
        _log.warning("plot %s of study %r is not shown: it has %d bytes", kind, data.name, len(document))
        return None
    return document


def _shorten_title(title: str, study: str, left_out: str) -> str:
    """Return a title without the study's name, which the page has, and with what was left out, if anything was."""
    first, _, below = title.removeprefix(f"{as_text(shorten(study))}: ").partition("<br>")
    return "<br>".join(filter(None, (first, f"<sup>{left_out}</sup>" if left_out else below)))


def choose_curves(data: PlotData) -> tuple[PlotData, str]:
    """Return the study with so few trials that their curves have about MOST_CURVE_EPOCHS epochs."""
    trials, left_out = _choose(data.trials, max(FEWEST_CURVES, MOST_CURVE_EPOCHS // max(1, data.epochs)))
    return replace(data, trials=trials), left_out


def choose_sliced(data: PlotData) -> tuple[PlotData, str]:
    """Return the study with MOST_SLICED completed trials and the SLICED most important parameters."""
    trials, left_out = _choose(data.completed, MOST_SLICED)
    names = rank_parameters(trials)[:SLICED]
    return replace(data, trials=[_keep_parameters(trial, names) for trial in trials]), left_out


def _choose(trials: Sequence[FrozenTrial], most: int) -> tuple[list[FrozenTrial], str]:
    """Return at most `most` trials, the best, running ones, and others in equal steps of rank; and a sentence."""
    if len(trials) <= most:
        return list(trials), ""
    running = [trial for trial in trials if trial.state == TrialState.RUNNING][: most // 4]
    ended = [trial for trial in trials if trial.state.is_finished() and trial.intermediate_values]
    ranked = sorted(ended, key=lambda trial: (trial.state == TrialState.COMPLETE, _value(trial), -trial.number))
    places = most - len(running)
    step = max(1.0, (len(ranked) - 1) / max(1, places - 1))
    kept = [ranked[min(len(ranked) - 1, round(place * step))] for place in range(min(places, len(ranked)))]
    chosen = sorted([*kept, *running], key=lambda trial: trial.number)
    return chosen, f"{len(chosen):,} of {len(trials):,} trials, from every rank"


def _value(trial: FrozenTrial) -> float:
    return max(trial.intermediate_values.values(), default=0.0)


def _keep_parameters(trial: FrozenTrial, names: Sequence[str]) -> FrozenTrial:
    kept = create_trial(
        state=trial.state,
        value=trial.value,
        params={name: value for name, value in trial.params.items() if name in names},
        distributions={name: found for name, found in trial.distributions.items() if name in names},
        intermediate_values=trial.intermediate_values,
    )
    kept.number = trial.number
    return kept


def _thin_history(figure: go.Figure) -> None:
    """Keep MOST_POINTS of the points, evenly, and of the line what changes it; the card is narrow."""
    points, line = figure.data
    step = -(-len(points.x) // MOST_POINTS)
    points.update(x=points.x[::step], y=points.y[::step], customdata=points.customdata[::step])
    turns = [k for k in range(len(line.y)) if k in (0, len(line.y) - 1) or line.y[k] != line.y[k - 1]]
    figure.update_xaxes(title="epochs trained by ended trials")
    line.update(x=[line.x[k] for k in turns], y=[line.y[k] for k in turns])


def _round(value: Any) -> Any:
    """Return a document with numbers of DIGITS significant digits, which no screen tells from others."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {name: _round(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_round(each) for each in value]
    return value


def _convert(value: Any) -> Any:
    return _round(value.tolist())


GRAPHS: dict[str, Graph] = {
    "curves": Graph(choose=choose_curves),
    "history": Graph(choose=lambda data: (data, ""), finish=_thin_history),
    "slice": Graph(choose=choose_sliced),
    "budget_correlation": Graph(choose=lambda data: (data, "")),
}
"""Plots of which optuna-dashboard has none, or one that takes stopped trials for whole ones."""
