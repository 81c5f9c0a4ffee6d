"""The curves of `lr-range` as a file."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from search.api.rate_range import RateRanges
from search.errors import SearchError, UsageError

PAGES = (".html",)
PICTURES = (".png", ".svg")


def check_plot(path: Path) -> None:
    """Raise `UsageError` unless a plot of this name can be written here."""
    if path.suffix not in PAGES + PICTURES:
        raise UsageError(f"--plot writes {', '.join(PAGES + PICTURES)}, but got {path.name!r}")
    if not path.parent.is_dir():
        raise UsageError(f"--plot {path}: there is no folder {str(path.parent)!r}; create it")
    if path.suffix in PICTURES and find_spec("kaleido") is None:
        raise UsageError(
            f"--plot {path.name}: plotly writes pictures with kaleido, which is not installed; "
            f"pip install kaleido, or write a page: --plot {path.with_suffix('.html').name}"
        )


def write_plot(found: RateRanges, path: Path) -> None:
    """Write loss against learning rate, a curve for each optimizer, with its steepest point and its blow-up.

    Raises:
        SearchError: the file cannot be written.
    """
    from plotly import graph_objects

    figure = graph_objects.Figure()
    for each in found.ranges:
        name = each.optimizer or "loss"
        curve = [(point.rate, point.smoothed) for point in each.points]
        figure.add_scatter(x=[rate for rate, _ in curve], y=[loss for _, loss in curve], name=name, mode="lines")
        marked = {"steepest": each.steepest, "blow-up": each.blow_up}
        marks = [(rate, dict(curve)[rate], mark) for mark, rate in marked.items() if rate is not None]
        figure.add_scatter(
            x=[rate for rate, _, _ in marks],
            y=[loss for _, loss, _ in marks],
            text=[f"{mark} {rate:.2g}" for rate, _, mark in marks],
            mode="markers+text",
            textposition="top center",
            name=f"{name}: steepest, blow-up",
            showlegend=False,
        )
    figure.update_xaxes(type="log", title="learning rate")
    figure.update_yaxes(title="smoothed training loss")
    figure.update_layout(title=f"Learning-rate range test of {found.objective}")
    try:
        figure.write_html(path) if path.suffix in PAGES else figure.write_image(path)
    except (OSError, RuntimeError, ValueError) as error:
        raise SearchError(
            f"the plot {str(path)!r} cannot be written: {error}; write another file, or a .html"
        ) from None
