"""A metric of some trials as a figure."""

from __future__ import annotations

import plotly.graph_objects as go

from search.report.curves import StudyCurves
from search.report.plots.style import as_text, style

MOST_NAMED = 10
"""Trials up to which each has a line in the legend."""


def draw_metric(curves: StudyCurves) -> go.Figure:
    """Draw a line for each trial over its epochs, counted from 1."""
    figure = go.Figure()
    for each in curves.trials:
        figure.add_scatter(
            x=list(range(1, len(each.values) + 1)),
            y=list(each.values),
            name=f"trial {each.trial} ({each.state})",
            mode="lines+markers" if len(each.values) == 1 else "lines",
            hovertemplate=f"trial {each.trial}, epoch %{{x}}: %{{y:.4g}}<extra></extra>",
        )
    figure.update_xaxes(title="epoch", range=[0.5, max(curves.epochs, curves.longest) + 0.5])
    figure.update_yaxes(title=as_text(curves.metric))
    figure.update_layout(showlegend=len(curves.trials) <= MOST_NAMED)
    return style(figure, curves.study, as_text(curves.metric))
