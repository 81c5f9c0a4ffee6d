"""Each completed trial as a line through its value and its parameters, each on an axis of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial
from plotly.colors import sample_colorscale

from search.report.plots.style import ACCURACY, shorten_shown

ABSENT = -0.1
"""The height of a trial that does not have a parameter, below the axis."""
SCALE = "Blues"
SHADES = 10
"""The number of colours that lines have: each colour is one trace."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One axis, whose heights are from 0 to 1."""

    title: str
    heights: tuple[float, ...]
    """Of each trial; ABSENT if the trial does not have the parameter."""
    ticks: tuple[tuple[float, str], ...]


def draw_lines(trials: Sequence[FrozenTrial], names: Sequence[str]) -> go.Figure:
    """Draw trials over the axes of their value and of these parameters; better ones darker, and on top."""
    axes = [scale_numbers(ACCURACY, [float(trial.value or 0.0) for trial in trials], log=False)]
    axes += [scale_parameter(trials, name) for name in names]
    figure = go.Figure()
    low, *_, high = sorted(float(trial.value or 0.0) for trial in trials)
    shades = [round((float(trial.value or 0.0) - low) / (high - low or 1.0) * (SHADES - 1)) for trial in trials]
    for shade in sorted(set(shades)):
        chosen = [place for place, found in enumerate(shades) if found == shade]
        [colour] = sample_colorscale(SCALE, [0.2 + 0.8 * shade / (SHADES - 1)])
        figure.add_scatter(
            x=[x for _ in chosen for x in (*range(len(axes)), None)],
            y=[y for place in chosen for y in (*(axis.heights[place] for axis in axes), None)],
            mode="lines",
            line={"color": colour, "width": 1.3},
            customdata=[trials[place].user_attrs["number"] for place in chosen for _ in (*axes, None)],
            hovertemplate="trial %{customdata}<extra></extra>",
            showlegend=False,
        )
    for place, axis in enumerate(axes):
        _draw_axis(figure, place, axis)
    titles = [f"{'<br>' * (place % 2)}{shorten_shown(axis.title, 19)}" for place, axis in enumerate(axes)]
    figure.update_xaxes(
        tickangle=0, tickvals=list(range(len(axes))), ticktext=titles, range=[-0.3, len(axes) - 0.3], showline=False
    )
    figure.update_yaxes(visible=False, range=[ABSENT - 0.04, 1.04])
    return figure


def _draw_axis(figure: go.Figure, place: int, axis: Axis) -> None:
    figure.add_shape(type="line", x0=place, x1=place, y0=0, y1=1, line={"color": "#555", "width": 1})
    for height, text in axis.ticks:
        figure.add_annotation(
            x=place,
            y=height,
            text=shorten_shown(text, 10),
            showarrow=False,
            xanchor="left",
            xshift=3,
            font={"size": 11},
            bgcolor="rgba(255, 255, 255, .75)",
        )


def scale_parameter(trials: Sequence[FrozenTrial], name: str) -> Axis:
    """Return a parameter's axis: choices at equal distances, numbers on the scale that they were searched on."""
    found = next(trial.distributions[name] for trial in reversed(trials) if name in trial.distributions)
    values = [trial.params.get(name) for trial in trials]  # no choice is None: they are text or numbers by now
    if not isinstance(found, CategoricalDistribution):
        return scale_numbers(name, values, log=bool(found.log))  # type: ignore[attr-defined]
    choices = list(dict.fromkeys(value for value in values if value is not None))
    if not any(isinstance(choice, str) for choice in choices):
        choices.sort()
    heights = {choice: place / max(1, len(choices) - 1) for place, choice in enumerate(choices)}
    ticks = [(height, str(choice)) for choice, height in heights.items()]
    return _complete(name, [None if value is None else heights[value] for value in values], ticks)


def scale_numbers(title: str, values: Sequence[float | None], *, log: bool) -> Axis:
    """Return an axis from the lowest to the highest number; None is a trial without one."""
    known = [value for value in values if value is not None]
    low, high = min(known), max(known)
    at = math.log if log else float
    span = at(high) - at(low) or 1.0
    heights = [None if value is None else (at(value) - at(low)) / span for value in values]
    ticks = [(0.0, f"{low:.3g}")] + ([(1.0, f"{high:.3g}")] if high > low else [])
    return _complete(title, heights, ticks)


def _complete(title: str, heights: Sequence[float | None], ticks: Sequence[tuple[float, str]]) -> Axis:
    absent = ((ABSENT, "not used"),) if None in heights else ()
    shown = tuple(ABSENT if height is None else height for height in heights)
    return Axis(title=title, heights=shown, ticks=(*absent, *ticks))
