"""How plots look: one template, a few colours that are told apart without red and green, a subtitle."""

from __future__ import annotations

import html
import math

import plotly.graph_objects as go

from objectives.base.printable import escape_controls

GREY, DARK_GREY, BLUE, NAVY, ORANGE, GREEN = "#b6bcc6", "#7d8693", "#5b8fd6", "#12305e", "#e08214", "#23824a"
ACCURACY = "validation accuracy"
WIDE = 860
"""The least width in pixels of a figure of many panels; a narrower window scrolls."""


def style(figure: go.Figure, study: str, title: str, subtitle: str = "", *, panels: int = 1) -> go.Figure:
    """Give a figure the common look; whatever its titles quote stays text.

    panels: how many stand side by side.
    """
    below = f"<br><sup>{as_text(subtitle)}</sup>" if subtitle else ""
    figure.update_layout(
        template="simple_white",
        title={"text": f"{as_text(shorten(study))}: {title}{below}", "x": 0.01, "xanchor": "left"},
        title_font_size=16,
        font={"family": "Liberation Sans, Arial, sans-serif", "size": 12},
        margin={"l": 64, "r": 16, "t": 84, "b": 56},
        legend={"orientation": "h", "yref": "container", "yanchor": "bottom", "y": 0.0, "xanchor": "left", "x": 0.0},
        colorway=[BLUE, ORANGE, GREEN, NAVY, GREY],
        meta={"least_width": WIDE if panels > 1 else 0, "title": title, "subtitle": subtitle},
    )
    figure.update_xaxes(exponentformat="power")
    figure.update_yaxes(exponentformat="power")
    return figure


def as_text(text: str) -> str:
    """Return text that plotly, which reads some HTML, shows as it is."""
    return html.escape(escape_controls(text), quote=False)


def shorten(text: str, length: int = 32) -> str:
    """Return text of at most this length; the rest becomes an ellipsis."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def shorten_shown(text: str, length: int) -> str:
    """Return what `as_text` made, of at most this length as it is shown."""
    return html.escape(shorten(html.unescape(text), length), quote=False)


def choose_log_ticks(low: float, high: float, most: int = 4) -> list[float]:
    """Return at most `most` round numbers from `low` to `high` for a logarithmic axis, about evenly spread."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        ticks = [float(f"{factor}e{decade}") for decade in decades for factor in factors]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) <= most:
            break
    return ticks[:: -(-len(ticks) // most)] if ticks else [low, high]
