"""How a study in training is shown in a pipe: a line for each trial that ends."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console

from objectives.base.plurals import count_noun
from search.api.training import Progress
from search.display.output import as_cell, format_float
from search.study.status_types import Status
from search.study.trials import Trial
from spaces import Scalar


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
        how = f"{describe_failure(trial)}: {trial.error or trial.reason}"
    epochs = count_noun(len(trial.accuracies), "epoch")
    return f"trial {trial.number:3d}  {shown}  {epochs}, {how}  {format_parameters(trial.params)}"


def describe_failure(trial: Trial) -> str:
    """Return whether a trial whose state is `fail` has failed, or a person took it out."""
    return {"void": "voided", "cancelled": "removed"}.get(trial.reason or "", "failed")


def format_parameters(params: Mapping[str, Scalar]) -> str:
    """Return a trial's parameters, short enough to read."""
    return " ".join(
        f"{name}={format_float(value, 3) if isinstance(value, float) else value}" for name, value in params.items()
    )


def format_duration(seconds: float) -> str:
    """Return a duration in the unit that suits it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"
