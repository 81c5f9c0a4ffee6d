"""The table of the live view: the best trial, those in training, and the last ones that ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.table import Table

from search.api.training import Progress
from search.display.blocks import draw_sparkline, find_bounds
from search.display.formats import describe_end, format_parameters, format_seconds, shorten
from search.display.output import as_cell
from search.study.status_types import WorkerState
from search.study.trials import Trial

NARROW = 60
"""Columns below which a table has no curves, so that its numbers stay whole."""
WIDE = 100
"""Columns from which on a table has a bar for the epochs, too."""
SHORTEST_PLACE, SHORT_PLACE = len("complete"), 12
"""Columns of a place at least, and those up to which parameters have room beside it in a narrow table."""
TALL = 36
"""Lines from which on more of the trials that have ended are shown."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A trial in the table."""

    trial: Trial
    label: str
    place: str = ""
    """Where it trains, or how it ended."""
    seconds: float | None = None
    """Of one of its epochs, lately."""
    style: str = ""


def draw_table(progress: Progress, columns: int, lines: int) -> Table:
    """Return the table for a space of this size; running trials that do not fit are counted."""
    best, running, ended = _find_best(progress), _find_running(progress, columns), _find_ended(progress)
    ended = ended[: 3 if lines < TALL else 8]
    room = max(1, lines - len(best) - len(ended) - 1)  # the headings
    shown = running if len(running) <= room else running[: max(1, room - 1)]  # the rest takes a line
    bounds = _choose_bounds(best, shown or ended)
    places = max(SHORTEST_PLACE, *(cell_len(row.place) for row in shown), 0)
    has_room = columns >= WIDE or places <= SHORT_PLACE
    table = _make_table(f"{'where':<{places}}  parameters" if has_room else "where", columns)

    def add(rows: Sequence[Row]) -> None:
        for row in rows:
            last = _describe(row, places) if has_room else row.place
            _add(table, (*_list_cells(row, bounds, progress.epochs, columns), last), row.style)

    add([*best, *shown])
    if len(shown) < len(running):
        _add(table, (*[""] * (len(table.columns) - 1), f"and {len(running) - len(shown)} more in training"))
    add(ended)
    return table


def _choose_bounds(best: Sequence[Row], others: Sequence[Row]) -> tuple[float, float]:
    """Return the values at the bottom and at the top of curves: what differs from the best is to be seen."""
    low, _ = find_bounds(*(row.trial.accuracies for row in best))
    every_low, high = find_bounds(*(row.trial.accuracies for row in (*best, *others)))
    return (low if best and low < high else every_low), high


def _make_table(last: str, columns: int) -> Table:
    """Return an empty table; `last` is the heading of the last column, which takes what is left of the width."""
    table = Table(expand=True, box=None, pad_edge=False, header_style="bold")
    bar, curve = ["progress"] if columns >= WIDE else [], ["curve"] if columns >= NARROW else []
    for heading in ("trial", "epoch", *bar, *curve, "last", "best", "s/epoch"):
        table.add_column(heading, no_wrap=True, justify="right" if heading == "s/epoch" else "left")
    table.add_column(last, no_wrap=True, overflow="ellipsis", ratio=1)
    return table


def _add(table: Table, cells: Sequence[str], style: str = "") -> None:
    table.add_row(*(as_cell(cell, "ellipsis") for cell in cells), style=style)


def _list_cells(row: Row, bounds: tuple[float, float], epochs: int, columns: int) -> list[str]:
    trial, done, wide = row.trial, len(row.trial.accuracies), columns >= WIDE
    curve = draw_sparkline(trial.accuracies, bounds, length=epochs, width=24 if wide else 12)
    if not wide and trial.state == "running":  # the curve is the bar
        curve = curve.rstrip(" ").ljust(len(curve), "·")
    return [
        row.label,
        f"{done}/{epochs}",
        *([format_bar(done, epochs)] if wide else []),
        *([curve] if columns >= NARROW else []),
        f"{trial.accuracies[-1]:.4f}" if trial.accuracies else "",
        "" if trial.value is None else f"{trial.value:.4f}",
        "" if row.seconds is None else format_seconds(row.seconds),
    ]


def _describe(row: Row, places: int) -> str:
    if row.trial.state == "fail":
        return row.place
    return f"{row.place}{' ' * (places - cell_len(row.place))}  {format_parameters(row.trial.params)}"


def _find_best(progress: Progress) -> list[Row]:
    best = progress.status.best
    if best is None or best.trial >= len(progress.trials):
        return []
    return [Row(trial=progress.trials[best.trial], label=f"{best.trial} best", style="green")]


def _find_running(progress: Progress, columns: int) -> list[Row]:
    """Return the trials that workers train, by their numbers."""
    found = [
        Row(
            trial=progress.trials[worker.trial],
            label=str(worker.trial),
            place=format_place(worker, 40 if columns >= WIDE else 26),
            seconds=worker.epoch_s,
        )
        for worker in progress.status.workers
        if worker.trial is not None and _is_running(progress, worker.trial)
    ]
    return sorted(found, key=lambda row: row.trial.number)


def _is_running(progress: Progress, number: int) -> bool:
    """Return whether a worker's trial has not ended, which its last heartbeat may not know yet."""
    return number < len(progress.trials) and progress.trials[number].state == "running"


def _find_ended(progress: Progress) -> list[Row]:
    """Return the trials that have ended, the last one first, without the best."""
    best = progress.status.best
    ended = [trial for trial in progress.trials if trial.is_finished and (best is None or trial.number != best.trial)]
    ended.sort(key=lambda trial: (str(trial.ended or ""), trial.number), reverse=True)
    return [
        Row(
            trial=trial,
            label=str(trial.number),
            place=describe_end(trial),
            style="red" if trial.state == "fail" else "dim",
        )
        for trial in ended[:8]
    ]


def format_place(worker: WorkerState, columns: int) -> str:
    """Return a worker's host and device in at most `columns` columns, with a host that is too long cut off."""
    device = shorten(worker.device, columns - SHORT_PLACE)
    return f"{shorten(worker.host, columns - 1 - cell_len(device))} {device}"


def format_bar(done: int, total: int, width: int = 12) -> str:
    """Return a bar of `width` characters."""
    filled = round(width * min(done, total) / total)
    return "━" * filled + "╌" * (width - filled)
