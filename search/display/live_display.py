"""Showing a running study: a live table at a terminal, plain lines in a pipe; both read from the storage."""

from __future__ import annotations

import time
from typing import Any

from optuna.exceptions import StorageInternalError
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text
from sqlalchemy.exc import SQLAlchemyError

from search.curves import best_value
from search.study.status import StudyView, best_trial, count_finished

REFRESH_SECONDS = 1.0
AWAY = (SQLAlchemyError, StorageInternalError)


class LogLines:
    """One line for each trial that ends."""

    def __init__(self, view: StudyView, console: Console) -> None:
        self._view = view
        self._console = console
        self._shown = {trial.number for trial in view.trials() if trial.state.is_finished()}
        self._next = 0.0

    def __enter__(self) -> LogLines:
        return self

    def __exit__(self, *_: object) -> None:
        self._show()

    def __call__(self) -> None:
        """Look, if a second has passed since the last look."""
        if time.monotonic() >= self._next:
            self._show()

    def _show(self) -> None:
        self._next = time.monotonic() + REFRESH_SECONDS
        try:
            trials = self._view.trials()
        except AWAY:
            return  # the workers wait for the storage, and so does the display
        for trial in trials:
            if trial.state.is_finished() and trial.number not in self._shown:
                self._shown.add(trial.number)
                self._console.print(format_trial(trial), highlight=False, markup=False, soft_wrap=True)


class LiveTable(LogLines):
    """A live table: running trials with their epochs, the best so far, counts and the time left."""

    def __enter__(self) -> LiveTable:
        self._started = time.monotonic()
        self._done_before = count_finished(self._view.trials())
        self._live = Live(console=self._console, refresh_per_second=2, transient=False)
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._show()
        finally:
            self._live.stop()

    def _show(self) -> None:
        self._next = time.monotonic() + REFRESH_SECONDS
        try:
            trials, status = self._view.trials(), self._view.status()
        except AWAY:
            return
        self._live.update(Group(self._running(trials, status), self._summary(trials, status)))

    def _running(self, trials: list[FrozenTrial], status: dict[str, Any]) -> Table:
        table = Table(expand=True, box=None, pad_edge=False)
        for heading in ("trial", "epoch", "", "accuracy", "best", "device", "parameters"):
            table.add_column(heading, no_wrap=True, ratio=1 if heading == "parameters" else None)
        by_number = {trial.number: trial for trial in trials}
        for worker in status["workers"]:
            trial = by_number.get(worker["trial"])
            if trial is None:
                continue
            values = trial.intermediate_values
            epochs = self._view.spec.epochs
            table.add_row(
                str(trial.number),
                f"{len(values)}/{epochs}",
                format_bar(len(values), epochs),
                f"{values[max(values)]:.4f}" if values else "",
                f"{max(values.values()):.4f}" if values else "",
                f"{worker['host']} {worker['device']}",
                format_parameters(trial),
            )
        return table

    def _summary(self, trials: list[FrozenTrial], status: dict[str, Any]) -> Text:
        done = count_finished(trials)
        counts = ", ".join(f"{count} {name}" for name, count in status["states"].items() if count)
        text = f"{done}/{status['budget']['trials']} trials ({counts or 'none yet'})"
        best = best_trial(trials)
        if best is not None:
            text += f"  |  best {best.value:.4f} (trial {best.number}: {format_parameters(best)})"
        since = done - self._done_before
        if since > 0 and status["budget"]["left"]:
            left = (time.monotonic() - self._started) / since * status["budget"]["left"]
            text += f"  |  about {format_duration(left)} left"
        return Text(text, overflow="fold")


def format_trial(trial: FrozenTrial) -> str:
    """One finished trial in one line."""
    values = trial.intermediate_values
    shown = f"{best_value(values):.4f}" if values else "-"
    reason = trial.user_attrs.get("reason")
    how = trial.state.name.lower()
    if trial.state == TrialState.PRUNED and reason != "pruner":
        how = f"pruned: {reason}"
    if trial.state == TrialState.FAIL:
        how = f"failed: {trial.user_attrs.get('error', reason)}"
    epochs = f"{len(values)} epoch{'s' if len(values) != 1 else ''}"
    return f"trial {trial.number:3d}  {shown}  {epochs}, {how}  {format_parameters(trial)}"


def format_parameters(trial: FrozenTrial) -> str:
    """The parameters of a trial, short enough to read."""
    return " ".join(
        f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}" for name, value in trial.params.items()
    )


def format_bar(done: int, total: int, width: int = 12) -> str:
    """A bar of so many cells."""
    filled = round(width * min(done, total) / total)
    return "━" * filled + "╌" * (width - filled)


def format_duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"
