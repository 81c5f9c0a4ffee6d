"""How a study in training is shown: a live table on a terminal, plain lines in a pipe."""

from __future__ import annotations

import time
from collections.abc import Mapping

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from objectives.base.plurals import count_noun
from search.api.training import Progress
from search.display.output import as_cell
from search.study.status_types import Status
from search.study.trials import Trial
from spaces import Scalar

HEADINGS = ("trial", "epoch", "", "accuracy", "best", "device", "parameters")


class LogLines:
    """One line for each trial that ends after the first call."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: set[int] | None = None

    def __enter__(self) -> LogLines:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the lines as they are."""

    def __call__(self, progress: Progress) -> None:
        """Print the trials that have ended since the last call."""
        finished = progress.trials.finished
        if self._shown is not None:
            for trial in finished:
                if trial.number not in self._shown:
                    self._console.print(as_cell(format_trial(trial)), highlight=False, soft_wrap=True)
        self._shown = {trial.number for trial in finished}


class LiveTable(LogLines):
    """A live table: running trials with their epochs, the best so far, counts and the time left."""

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
        self._live.update(Group(_running(progress), as_cell(summary)))


def _running(progress: Progress) -> Table:
    table = Table(expand=True, box=None, pad_edge=False)
    for heading in HEADINGS:
        table.add_column(heading, no_wrap=True, ratio=1 if heading == "parameters" else None)
    for worker in progress.status.workers:
        if worker.trial is None or worker.trial >= len(progress.trials):
            continue
        trial = progress.trials[worker.trial]
        done = len(trial.accuracies)
        row = (
            trial.number,
            f"{done}/{progress.epochs}",
            format_bar(done, progress.epochs),
            f"{trial.accuracies[-1]:.4f}" if trial.accuracies else "",
            "" if trial.value is None else f"{trial.value:.4f}",
            f"{worker.host} {worker.device}",
            format_parameters(trial.params),
        )
        table.add_row(*(as_cell(cell, "ellipsis") for cell in row))
    return table


def summarize(before: Status, status: Status, seconds: float) -> str:
    """Return counts, the best trial and, once trials have ended here, the time left, in one line.

    before: an earlier state. seconds: between the two.
    """
    text = f"{status.describe_progress('/')} ({format_counts(status) or 'none yet'})"
    best = status.best
    if best is not None:
        text += f"  |  best {best.value:.4f} (trial {best.trial}: {format_parameters(best.params)})"
    left = estimate_share_left(before, status)
    if left:
        text += f"  |  about {format_duration(seconds * left)} left"
    return text


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


def format_counts(status: Status) -> str:
    """Return how many trials are in each state, without the states that have none."""
    return ", ".join(f"{count} {name}" for name, count in vars(status.states).items() if count)


def format_trial(trial: Trial) -> str:
    """Return one finished trial as one line."""
    shown = "-" if trial.value is None else f"{trial.value:.4f}"
    how: str = trial.state
    if trial.state == "pruned" and trial.reason != "pruner":
        how = f"pruned: {trial.reason}"
    if trial.state == "fail":
        how = f"failed: {trial.error or trial.reason}"
    epochs = count_noun(len(trial.accuracies), "epoch")
    return f"trial {trial.number:3d}  {shown}  {epochs}, {how}  {format_parameters(trial.params)}"


def format_parameters(params: Mapping[str, Scalar]) -> str:
    """Return a trial's parameters, short enough to read."""
    return " ".join(
        f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}" for name, value in params.items()
    )


def format_bar(done: int, total: int, width: int = 12) -> str:
    """Return a bar of `width` characters."""
    filled = round(width * min(done, total) / total)
    return "━" * filled + "╌" * (width - filled)


def format_duration(seconds: float) -> str:
    """Return a duration in the unit that suits it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"
