"""A plot of the classes that a trial's network takes for others. K: classes."""

from __future__ import annotations

import math

import numpy as np
import plotly.graph_objects as go

from objectives.base.plurals import count_noun
from search.errors import NothingToDo
from search.report.plots.data import PlotData
from search.report.plots.style import BLUE, ORANGE, as_text, shorten, style

MOST_LABELS = 40
"""Classes up to which each has a label."""
MOST_NUMBERED = 25
"""Classes up to which the counts stand in the cells."""
LONGEST_LABEL = 16


def draw_confusion(data: PlotData) -> go.Figure:
    """Draw the images of each class by what they were taken for: blue where that is right, orange where it is not.

    Raises:
        NothingToDo: there is no best trial, or the trial has no matrix.
    """
    if data.trial is None:
        data.require_completed(1)
    matrix = data.confusion
    if matrix is None:
        raise NothingToDo(
            f"trial {data.trial} of study {data.name!r} has no confusion matrix: it has not ended, was trained by a "
            "program of before or by a loop of the objective's own, or has too many classes; name another trial, with "
            "--trial N"
        )
    counts_KK, names = np.array(matrix.counts), [as_text(name) for name in matrix.classes]
    images_K, is_right_KK = counts_KK.sum(axis=1), np.eye(len(names), dtype=bool)
    shares_KK = counts_KK / np.maximum(images_K, 1)[:, None]
    figure = go.Figure()
    for is_shown_KK, colour in ((is_right_KK, BLUE), (~is_right_KK & (counts_KK > 0), ORANGE)):
        figure.add_heatmap(
            x=names,
            y=names,
            z=np.where(is_shown_KK, shares_KK, np.nan),
            zmin=0.0,
            zmax=float(shares_KK[is_shown_KK].max(initial=0.0)) or 1.0,
            colorscale=[(0.0, "white"), (1.0, colour)],
            showscale=False,
            text=np.where(is_shown_KK, counts_KK.astype(str), ""),
            texttemplate="%{text}" if len(names) <= MOST_NUMBERED else None,
            customdata=np.broadcast_to(images_K[:, None], counts_KK.shape),
            hovertemplate="%{text} of %{customdata} images of %{y} were taken for %{x}<extra></extra>",
            hoverongaps=False,
            xgap=1,
            ygap=1,
        )
    step = math.ceil(len(names) / MOST_LABELS)
    shown = [as_text(shorten(name, LONGEST_LABEL)) for name in matrix.classes[::step]]
    axis = {"type": "category", "tickvals": names[::step], "ticktext": shown, "automargin": True, "showline": False}
    figure.update_xaxes(title="was taken for", ticks="", **axis)
    figure.update_yaxes(title="class of the image", ticks="", autorange="reversed", **axis)
    images, right = int(counts_KK.sum()), int(counts_KK.trace())
    subtitle = (
        f"{images - right} of {count_noun(images, 'validation image')} taken for another class, in epoch "
        f"{matrix.epoch + 1}; darker: a larger share of the class"
    )
    return style(figure, data.name, f"confusion in trial {data.trial}", subtitle)
