"""How a study in training is shown in a pipe: a line for each trial that ends."""

from __future__ import annotations

from rich.console import Console

from search.api.training import Progress
from search.display.formats import format_trial
from search.display.output import as_cell


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
