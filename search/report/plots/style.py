"""How plots look: one template, a few colours that are told apart without red and green, a subtitle."""

from __future__ import annotations

import html

import plotly.graph_objects as go

from objectives.base.printable import escape_controls

GREY, BLUE, NAVY, ORANGE, GREEN = "#b6bcc6", "#5b8fd6", "#12305e", "#e08214", "#23824a"
ACCURACY = "validation accuracy"


def style(figure: go.Figure, title: str, subtitle: str = "") -> go.Figure:
    """Give a figure the common look; whatever the titles quote stays text."""
    below = f"<br><sup>{as_text(subtitle)}</sup>" if subtitle else ""
    figure.update_layout(
        template="simple_white",
        title={"text": as_text(title) + below, "x": 0.01, "xanchor": "left"},
        font={"family": "Liberation Sans, Arial, sans-serif", "size": 13},
        margin={"l": 64, "r": 16, "t": 72, "b": 56},
        legend={"bgcolor": "rgba(255, 255, 255, .7)"},
        colorway=[BLUE, ORANGE, GREEN, NAVY, GREY],
    )
    return figure


def as_text(text: str) -> str:
    """Return text that plotly, which reads some HTML, shows as it is."""
    return html.escape(escape_controls(text), quote=False)
