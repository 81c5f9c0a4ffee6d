"""A terminal that is read as a person reads it."""

from __future__ import annotations

import io

import pyte
from rich.console import Console

from search.api.training import Progress
from search.display.live.live_table import IDLE, LiveTable


def show_live(progress: Progress, columns: int, lines: int, idle: str = IDLE) -> list[str]:
    """Return the lines of a terminal of this size after the live table has shown one state."""
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, color_system=None, width=columns, height=lines)
    with LiveTable(console, idle) as show:
        show(progress)
    screen = pyte.Screen(columns, lines)
    pyte.Stream(screen).feed(output.getvalue().replace("\n", "\r\n"))
    return [line.rstrip() for line in screen.display]
