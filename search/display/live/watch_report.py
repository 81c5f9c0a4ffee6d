"""How `status --watch` shows a study that others train."""

from __future__ import annotations

from contextlib import closing

from rich.console import Console

from search.api.session import open_session
from search.api.training import REPORT_SECONDS, Progress, Reporter, without_beats
from search.display.live.keys import read_keys
from search.display.live.live_table import LiveTable, is_live
from search.display.live.log_lines import LogLines
from search.display.output import as_cell, err, out, print_json_line
from search.settings import Settings
from search.study.status_types import Status


class StatusLines(LogLines):
    """One line of counts at the start and at the end, and one for each trial that ends in between."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._counts, self._printed = "", ""

    def __exit__(self, *_: object) -> None:
        """Print the counts at the end, if they have changed."""
        self._print_counts()

    def __call__(self, progress: Progress) -> None:
        """Print the counts at first, then the trials that have ended since the last call."""
        self._counts = str(progress)
        if not self._printed:
            self._print_counts()
        super().__call__(progress)

    def _print_counts(self) -> None:
        if self._counts != self._printed:
            self._console.print(as_cell(self._counts), highlight=False, soft_wrap=True)
            self._printed = self._counts


class JsonLines(LogLines):
    """A JSON document, on one line, for each state that differs from the one before."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._last: Progress | None = None

    def __call__(self, progress: Progress) -> None:
        """Print the state."""
        last, self._last = self._last, without_beats(progress)
        if last != self._last:
            print_json_line(progress.status.to_json())


def watch_study(name: str, settings: Settings, *, as_json: bool) -> None:
    """Show a study, without a change to it, until it has ended or `q` is pressed.

    Raises:
        StorageError: the storage cannot be reached at the start, or has no such study.
        Interrupted: a signal arrived.
    """
    seen: list[Progress] = []
    display = choose_view(as_json=as_json)

    def show(progress: Progress) -> None:
        seen[:] = [progress]
        display(progress)

    with (
        closing(open_session(name, settings)) as session,
        display,
        read_keys() as keys,
        Reporter(session, show) as reporter,
    ):
        while not (seen and has_ended(seen[0].status)) and not keys.wait(REPORT_SECONDS):
            reporter()


def has_ended(status: Status) -> bool:
    """Return whether nothing trains the study and, until somebody resumes it, nothing will."""
    return not status.workers and (status.budget.left == 0 or status.control != "run")


def choose_view(*, as_json: bool) -> LogLines:
    """Return the display that suits the output."""
    if as_json:
        return JsonLines(err())
    return LiveTable(out()) if is_live(out()) else StatusLines(out())
