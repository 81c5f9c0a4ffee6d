"""The live view of a study in training, on a terminal: who trains what, and how far it has come."""

from __future__ import annotations

import time
from contextlib import ExitStack

from rich.console import Console, Group, RenderableType
from rich.control import Control
from rich.live import Live
from rich.text import Text

from search.api.training import Progress
from search.display.live.keys import hide_keys
from search.display.live.log_lines import LogLines
from search.display.live.pace import Pace
from search.display.live.study_lines import describe_study
from search.display.live.trial_table import draw_table
from search.display.output import as_cell

IDLE = "no worker at present"


class LiveTable(LogLines):
    """A live view: the study, its best trial, those in training, and the last ones that ended."""

    def __init__(self, console: Console, idle: str = IDLE) -> None:
        """Prepare a view; `idle` is what it says until it has seen a worker."""
        super().__init__(console)
        self._idle = idle
        self._pace = Pace()
        self._progress: Progress | None = None
        self._drawn: tuple[Progress | None, tuple[int, int], RenderableType] = (None, (0, 0), Text())
        self._live = _ResizableLive(console=console, refresh_per_second=2, get_renderable=self._draw)
        self._resources = ExitStack()

    def __enter__(self) -> LiveTable:
        self._resources.enter_context(hide_keys())
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the last view on the screen."""
        with self._resources:
            self._live.stop()

    def __call__(self, progress: Progress) -> None:
        """Show the present state."""
        self._pace.observe(time.monotonic(), progress.status.epochs_trained)
        self._progress = progress
        self._idle = IDLE if progress.status.workers else self._idle
        self._live.refresh()

    def _draw(self) -> RenderableType:
        """Return the view for the terminal's present size: the same one until something has changed."""
        progress, (width, height) = self._progress, self._console.size
        if progress is not None and (self._drawn[0] is not progress or self._drawn[1] != (width, height)):
            rate = self._pace.estimate(progress.status)
            self._drawn = progress, (width, height), draw_progress(progress, rate, self._idle, width, height)
        return self._drawn[2]


class _ResizableLive(Live):
    """A live view that writes nothing while nothing changes, and begins again on a screen that became narrower.

    There, the terminal has wrapped the lines of before: how far up they begin is not known any more.
    """

    _width = 0
    _shown: RenderableType | None = None

    def refresh(self) -> None:
        """Draw the view if it has changed."""
        with self._lock:
            shown, width = self.get_renderable(), self.console.width
            if shown is self._shown:
                return
            if width < self._width:
                self.console.control(Control.home(), Control.clear())
            self._shown, self._width = shown, width
            super().refresh()


def is_live(console: Console) -> bool:
    """Return whether a console is a terminal on which lines can be drawn again."""
    return console.file.isatty() and console.is_terminal and not console.is_dumb_terminal


def draw_progress(progress: Progress, rate: float | None, idle: str, columns: int, lines: int) -> Group:
    """Return the view for a terminal of this size; no line is wrapped.

    rate: epochs a second, if known. idle: what to say of a study that nobody trains.
    """
    summary = describe_study(progress, rate, idle, columns)
    return Group(*map(_as_line, summary), draw_table(progress, columns, lines - len(summary) - 1))  # the cursor's line


def _as_line(text: str) -> Text:
    line = as_cell(text, "ellipsis")
    line.no_wrap = True
    return line
