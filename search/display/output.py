"""Output for people and for programs: documents on stdout, everything else on stderr."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from rich.console import Console, OverflowMethod
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table
from rich.text import Text

from objectives.base.printable import escape_controls
from objectives.data.files.decoded import Progress as Report
from search.display.documents import write_document
from search.display.wrapping import fit_to

UNBROKEN = 16
"""Columns up to which a column of a table stays whole where the table is too wide: numbers, states, short names."""
PIPE_COLUMNS = 200


def out() -> Console:
    """Return the console on stdout."""
    return Console(file=sys.stdout)


def err() -> Console:
    """Return the console on stderr."""
    return Console(file=sys.stderr)


class Document(Protocol):
    """A result that commands print with --json."""

    def to_json(self) -> object:
        """Return plain JSON values."""


Result = TypeVar("Result", bound=Document)


def present(result: Result, show: Callable[[Result], None], *, as_json: bool) -> None:
    """Print a result as a JSON document, or let `show` print it for people."""
    if as_json:
        print_document(result)
    else:
        show(result)


def present_all(results: Sequence[Result], show: Callable[[Sequence[Result]], None], *, as_json: bool) -> None:
    """Print results as one JSON document, a list, or let `show` print them for people."""
    if as_json:
        print_json([each.to_json() for each in results])
    else:
        show(results)


def print_document(result: Document) -> None:
    """Print a result as a JSON document."""
    print_json(result.to_json())


def print_json(value: object) -> None:
    """Print one JSON document; JSON has no infinite and no undefined numbers, which become null."""
    write_document(json.dumps(_replace_nonfinite(value), indent=2, default=str, allow_nan=False))


def print_json_line(value: object) -> None:
    """Print a JSON document on one line, as `print_json`."""
    write_document(json.dumps(_replace_nonfinite(value), default=str, allow_nan=False))


def _replace_nonfinite(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _replace_nonfinite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_replace_nonfinite(each) for each in value]
    return value


def say(text: str) -> None:
    """Print one line for people; whatever it quotes stays text."""
    print(fit_to(sys.stdout, escape_controls(text)), flush=True)


def note(text: str) -> None:
    """Print one line of progress or warning; whatever it quotes stays text."""
    print(fit_to(sys.stderr, escape_controls(text)), file=sys.stderr, flush=True)


def as_cell(value: object, overflow: OverflowMethod = "fold") -> Text:
    """Return a value as a cell of a table or a line of rich's: without rich's markup, and with nothing that acts.

    overflow: what becomes of a value that is too long.
    """
    return Text("" if value is None else escape_controls(str(value)), overflow=overflow)


def print_table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table on stdout; nothing is cut off in a pipe."""
    shown = Table(box=None, pad_edge=False)
    cells = [[as_cell(value) for value in row] for row in rows]
    longest = [max((row[place].cell_len for row in cells), default=0) for place in range(len(headings))]
    widths = [max(cell, len(heading)) for cell, heading in zip(longest, headings, strict=True)]
    whole = sum(widths) + 2 * (len(widths) - 1)
    columns = measure_width() if sys.stdout.isatty() else max(whole, measure_width())
    for heading, cell, width in zip(headings, longest, widths, strict=True):
        if whole > columns:  # a long heading takes several lines
            width = max(cell, *map(len, heading.split()), 0)
        shown.add_column(heading, overflow="fold", width=width if width <= UNBROKEN or whole <= columns else None)
    for row in cells:
        shown.add_row(*row)
    Console(file=sys.stdout, width=columns, markup=False).print(shown)


def measure_width() -> int:
    """Return how many columns a table on stdout may have: those of the terminal; many in a pipe."""
    return out().width if sys.stdout.isatty() else PIPE_COLUMNS


def format_configuration(params: Mapping[str, Any]) -> list[str]:
    """Return the parameters of a configuration, one per line."""
    width = max((len(name) for name in params), default=0)
    return [
        f"  {name:<{width}}  {format_float(value, 4) if isinstance(value, float) else value}"
        for name, value in params.items()
    ]


def format_float(value: float, digits: int) -> str:
    """Return a number to this many significant digits, and to more where it would look like a whole number."""
    text = f"{value:.{digits}g}"
    looks_whole = math.isfinite(value) and float(text).is_integer() and not value.is_integer()
    return f"{value:.{digits + 4}g}" if looks_whole else text


class Decoding:
    """A progress bar on a terminal's stderr while a data set is decoded."""

    def __init__(self, what: str) -> None:
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            console=err(),
            transient=True,
        )
        self._task = self._bar.add_task(escape_controls(what), total=None)

    def __enter__(self) -> Report:
        return self._show

    def __exit__(self, *_: object) -> None:
        if self._bar.live.is_started:
            self._bar.stop()

    def _show(self, done: int, total: int) -> None:
        if not self._bar.console.is_terminal:  # in a pipe, rich would leave an empty line
            return
        self._bar.start()
        self._bar.update(self._task, completed=done, total=total)
