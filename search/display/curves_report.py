"""How `curves` shows a metric: as a table, or drawn with block characters."""

from __future__ import annotations

from collections.abc import Sequence
from shutil import get_terminal_size

from search.display.blocks import draw_area, find_bounds
from search.display.output import measure_width, print_table, say
from search.report.curves import StudyCurves, TrialCurve
from search.study.trials import describe_machines

HEIGHT = 4
MARGIN = 11
"""Characters left of a drawing, for its scale."""
WIDEST = 100
COLUMN = 12
"""Columns of a trial in a table, with the space before it."""


def show_curves(curves: StudyCurves) -> None:
    """Print the metric as a table, epochs down and trials across: as many beside each other as the width allows."""
    say(f"{curves.metric} of study {curves.study}")
    for each in curves.trials:
        if each.reason is not None:
            say(f"trial {each.trial} is void: {each.reason}")
        if each.machines:
            say(f"trial {each.trial} was {describe_machines(each.machines)}")
    across = max(1, (measure_width() - len("epoch")) // COLUMN)
    for first in range(0, len(curves.trials), across):
        trials = curves.trials[first : first + across]
        longest = max(len(each.values) for each in trials)
        headings = ("epoch", *(f"trial {each.trial}" for each in trials))
        print_table(headings, [(epoch + 1, *_row(trials, epoch)) for epoch in range(longest)])


def show_drawing(curves: StudyCurves) -> None:
    """Print each trial's curve, drawn on the same scales."""
    say(f"{curves.metric} of study {curves.study}, over {curves.epochs} epochs")
    for each in curves.trials:
        for line in draw_trial(each, curves, get_terminal_size().columns):
            say(line)


def draw_trial(each: TrialCurve, curves: StudyCurves, columns: int) -> list[str]:
    """Return the lines of one trial's drawing, in a terminal of `columns` columns."""
    low, high = bounds = find_bounds(*(other.values for other in curves.trials))
    width = max(8, min(WIDEST, columns - MARGIN))
    rows = draw_area(each.values, bounds, length=curves.epochs, width=width, height=HEIGHT)
    scale = [f"{high:.4g}", *[""] * (HEIGHT - 2), f"{low:.4g}"]
    lowest, highest = find_bounds(each.values)
    state = each.state if each.reason is None else f"void: {each.reason}"
    title = f"trial {each.trial} ({state}): {len(each.values)} epochs, from {lowest:.4g} to {highest:.4g}"
    return [title, *(f"{text:>{MARGIN - 1}} {row}".rstrip() for text, row in zip(scale, rows, strict=True))]


def _row(trials: Sequence[TrialCurve], epoch: int) -> list[str]:
    values = [each.values[epoch] if epoch < len(each.values) else None for each in trials]
    return ["" if value is None else f"{value:.4g}" for value in values]
