"""How `lr-range` shows its curves: on a terminal, and as a file."""

from __future__ import annotations

import math
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from search.api.rate_range import OptimizerRange, RatePoint, RateRanges
from search.display.output import print_table, say
from search.errors import SearchError, UsageError

ROWS_A_DECADE = 4
WIDTH = 50

PAGES = (".html",)
PICTURES = (".png", ".svg")


def show_rate_ranges(found: RateRanges) -> None:
    """Print a curve of bars and the proposed range for each optimizer."""
    trained = ", ".join(f"{name}={value}" for name, value in found.configuration.items())
    say(f"{found.objective} on {found.device}, {trained}")
    for each in found.ranges:
        _show_range(each)


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
    except OSError as error:
        raise SearchError(f"{path} cannot be written ({error.strerror or error}); name another with --plot") from None
    except (RuntimeError, ValueError) as error:
        raise SearchError(
            f"{path} cannot be drawn ({error}); write a page: --plot {path.with_suffix('.html')}"
        ) from None


def _show_range(found: OptimizerRange) -> None:
    say("")
    say(found.optimizer or "default optimizer")
    print_table(("rate", "loss", "", ""), list(_draw_rows(found)))
    say(
        f"steepest {_format(found.steepest)}, lowest {_format(found.lowest)}, "
        f"blow-up {_format(found.blow_up) if found.blow_up else 'beyond the ramp'}"
    )
    if found.proposed is None:
        say("the loss does not fall at any of these rates: is the network trainable (initializer, depth, --high)?")
    else:
        say(f"--set {found.proposed}")


def _draw_rows(found: OptimizerRange) -> Iterator[tuple[str, str, str, str]]:
    """Yield a row for each quarter of a decade: its first rate, smoothed loss, a bar of it, and what is found there."""
    groups: dict[int, list[RatePoint]] = {}
    for point in found.points:
        groups.setdefault(math.floor(math.log10(point.rate) * ROWS_A_DECADE), []).append(point)
    highest = max(point.smoothed for point in found.points)
    for points in groups.values():
        bar = "█" * max(1, round(WIDTH * points[0].smoothed / highest))
        yield f"{points[0].rate:.1e}", f"{points[0].smoothed:.3f}", bar, _mark(found, points)


def _mark(found: OptimizerRange, points: list[RatePoint]) -> str:
    marks = {"steepest": found.steepest, "lowest": found.lowest, "blow-up": found.blow_up}
    rates = {point.rate for point in points}
    return ", ".join(name for name, rate in marks.items() if rate in rates)


def _format(rate: float | None) -> str:
    return "nowhere" if rate is None else f"{rate:.2g}"
