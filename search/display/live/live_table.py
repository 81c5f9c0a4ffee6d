"""The live table of a study in training, on a terminal: who trains what, and how far it has come."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from search.api.training import Progress
from search.display.blocks import draw_sparkline, find_bounds
from search.display.formats import format_counts, format_duration, format_parameters, format_trial
from search.display.live.log_lines import LogLines
from search.display.output import as_cell
from search.study.status_types import Status
from search.study.trials import Trial

WIDE = 100
"""Columns from which on a table has a bar for the epochs, too."""
SHOWN_FINISHED = 3
Row = tuple[object, ...]


class LiveTable(LogLines):
    """A live table: the best trial, running ones, the last finished ones, counts and the time left."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._live = Live(console=console, refresh_per_second=2, transient=False)
        self._started = 0.0
        self._before: Status | None = None

    def __enter__(self) -> LiveTable:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the last table on the screen."""
        self._live.stop()

    def __call__(self, progress: Progress) -> None:
        """Show the present state."""
        if self._before is None:
            self._started, self._before = time.monotonic(), progress.status
        summary = summarize(self._before, progress.status, time.monotonic() - self._started)
        self._live.update(draw_progress(progress, summary, *self._console.size))


def draw_progress(progress: Progress, summary: Sequence[str], columns: int, lines: int) -> Group:
    """Return the table with the summary below it, for a terminal of this size; no line is wrapped."""
    finished = sorted(progress.trials.finished, key=lambda trial: (str(trial.ended or ""), trial.number))
    last = [format_trial(trial) for trial in finished[-SHOWN_FINISHED:]]
    running = list(_find_running(progress))
    room = max(1, lines - len(summary) - len(last) - 4)  # headings, the best, what is left out, the cursor's line
    table = _draw_table(progress, running[:room], columns)
    hidden = [f"and {len(running) - room} more running"] if len(running) > room else []
    texts: list[RenderableType] = [_as_line(text) for text in (*hidden, *last, *summary)]
    return Group(table, *texts)


def _draw_table(progress: Progress, running: Sequence[tuple[Trial, str]], columns: int) -> Table:
    best = progress.status.best
    leader = progress.trials[best.trial] if best is not None and best.trial < len(progress.trials) else None
    bounds = find_bounds(*(trial.accuracies for trial, _ in running), leader.accuracies if leader else ())
    table = Table(expand=True, box=None, pad_edge=False)
    wide = columns >= WIDE
    headings = ("trial", "epoch", *([""] if wide else []), "curve", "accuracy", "best", "device", "parameters")
    for heading in headings:
        limit = None if heading != "device" else 30 if wide else 16
        table.add_column(heading, no_wrap=True, ratio=1 if heading == "parameters" else None, max_width=limit)
    shown = [] if leader is None else [(leader, f"{leader.number} best", "")]
    for trial, number, device in [*shown, *((trial, str(trial.number), device) for trial, device in running)]:
        done, curve = len(trial.accuracies), 24 if wide else 12
        row = (
            number,
            f"{done}/{progress.epochs}",
            *([format_bar(done, progress.epochs)] if wide else []),
            draw_sparkline(trial.accuracies, bounds, length=progress.epochs, width=curve),
            f"{trial.accuracies[-1]:.4f}" if trial.accuracies else "",
            "" if trial.value is None else f"{trial.value:.4f}",
            device,
            format_parameters(trial.params),
        )
        table.add_row(*(as_cell(cell, "ellipsis") for cell in row))
    return table


def _find_running(progress: Progress) -> Iterator[tuple[Trial, str]]:
    """Yield the trials that workers train, each with its worker's host and device."""
    for worker in progress.status.workers:
        if worker.trial is not None and worker.trial < len(progress.trials):
            yield progress.trials[worker.trial], f"{worker.host} {worker.device}"


def _as_line(text: str) -> Text:
    line = as_cell(text, "ellipsis")
    line.no_wrap = True
    return line


def summarize(before: Status, status: Status, seconds: float) -> list[str]:
    """Return counts, then the best trial, the pace and, once trials have ended here, the time left: two lines.

    before: an earlier state. seconds: between the two.
    """
    best, epochs = status.best, status.epochs_trained - before.epochs_trained
    parts = [] if best is None else [f"best {best.value:.4f} (trial {best.trial}{_format_epoch(best.epoch)})"]
    if epochs and seconds:
        parts.append(f"{epochs / seconds:.2g} epochs/s")
    left = estimate_share_left(before, status)
    if left:
        parts.append(f"about {format_duration(seconds * left)} left")
    counts = f"{status.study}: {status.describe_progress('/')} ({format_counts(status) or 'none yet'})"
    return [counts, "  |  ".join(parts)] if parts else [counts]


def _format_epoch(epoch: int | None) -> str:
    return "" if epoch is None else f", epoch {epoch + 1}"


def estimate_share_left(before: Status, status: Status) -> float | None:
    """Return what is left to do as a multiple of what was done since `before`; None if nobody can tell.

    Of a budget of trials and of epochs, the one that is reached first counts.
    """
    finished, epochs = status.states.finished - before.states.finished, status.epochs_trained - before.epochs_trained
    if finished == 0:
        return None
    left = [] if status.budget.left is None else [status.budget.left / finished]
    if status.budget.epochs is not None and epochs:
        left.append(max(0, status.budget.epochs - status.epochs_trained) / epochs)
    return min(left, default=None)


def format_bar(done: int, total: int, width: int = 12) -> str:
    """Return a bar of `width` characters."""
    filled = round(width * min(done, total) / total)
    return "━" * filled + "╌" * (width - filled)
