"""The picture of a terminal: `search run` in a pseudo-terminal, its output read by a terminal emulator."""

from __future__ import annotations

import html
import os
import pty
import re
import subprocess
import sys
import termios
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pyte
from pyte.screens import Char
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

STUDY = "digits-depth"
COLUMNS, LINES = 124, 30
COLOURS = 48
SHOWN_HOME = b"/home/you/.local/share/depthsearch"

STYLE = """
body { margin: 0; background: white; }
main { display: inline-block; padding: 12px; }
#window { border-radius: 9px; background: #1b1f27; overflow: hidden;
  box-shadow: 0 3px 10px rgba(0, 0, 0, .3); }
#bar { height: 30px; background: #2a303b; padding-left: 14px; }
#bar i { display: inline-block; width: 11px; height: 11px; margin: 10px 8px 0 0; border-radius: 50%; }
pre { margin: 0; padding: 12px 16px 16px; color: #d6dbe4; font: 14px/1.35 "DejaVu Sans Mono", monospace; }
.bold { color: white; font-weight: bold; }
.green { color: #8fd17f; }
.red { color: #ec7a70; }
"""
BUTTONS = "".join(f'<i style="background: {colour}"></i>' for colour in ("#ec6a5e", "#f4bf4f", "#61c554"))


Line = list[tuple[str, str]]
"""The characters of a line of a terminal, each with its style: `bold`, the name of a colour, or nothing."""


def run_in_terminal(trials: int, home: Path) -> list[Line]:
    """Run the study in a pseudo-terminal; return its screen when two trials in training had come furthest."""
    command = ["search", "run", "--study", STUDY]
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    stream.feed(f"$ {' '.join(command)}\r\n".encode())
    furthest, most = _lines(screen), 0
    for output in _outputs([sys.executable, "-P", "-m", *command, f"--trials={trials}", "--workers=2"]):
        stream.feed(output.replace(bytes(home), SHOWN_HOME))
        bars = [line for line in screen.display if re.match(r"\d+ +\d+/\d+ +━.* cpu ", line)]
        drawn = sum(line.count("━") for line in bars)
        if len(bars) == 2 and drawn >= most and any("best 0." in line for line in screen.display):
            furthest, most = _lines(screen), drawn
    return furthest


def photograph_terminal(browser: Chrome, lines: list[Line], folder: Path) -> bytes:
    """Return a PNG of a terminal's window; its page is written into the folder."""
    page = folder / "terminal.html"
    window = f"<div id=window><div id=bar>{BUTTONS}</div><pre>{_text(lines)}</pre></div>"
    page.write_text(f"<!doctype html><meta charset=utf-8><style>{STYLE}</style><main>{window}</main>")
    browser.get(page.as_uri())
    return browser.find_element(By.TAG_NAME, "main").screenshot_as_png


def _outputs(command: list[str]) -> Iterator[bytes]:
    """Run a command in a pseudo-terminal and yield what it writes, piece by piece."""
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (LINES, COLUMNS))
    settings = {**os.environ, "TERM": "xterm-256color"}
    process = subprocess.Popen(command, stdin=its, stdout=its, stderr=its, env=settings, start_new_session=True)
    os.close(its)
    try:
        while output := _read(ours):
            yield output
    finally:
        os.close(ours)
        if process.wait() != 0:
            raise RuntimeError(f"{' '.join(command)} ended with exit code {process.returncode}")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 2**16)
    except OSError:  # how Linux says that nobody has the other end open
        return b""


def _lines(screen: pyte.Screen) -> list[Line]:
    """Return the lines of a screen down to the last one that is not empty."""
    lines = [[(screen.buffer[y][x].data, _style(screen.buffer[y][x])) for x in range(COLUMNS)] for y in range(LINES)]
    while lines and not "".join(text for text, _ in lines[-1]).strip():
        lines.pop()
    return lines


def _style(character: Char) -> str:
    return "bold" if character.bold else character.fg if character.fg in ("green", "red") else ""


def _text(lines: list[Line]) -> str:
    """Return lines as HTML."""
    cells = [cell for line in lines for cell in (*line, ("\n", ""))]
    return "".join(
        f'<span class="{style}">{html.escape("".join(text for text, _ in group))}</span>'
        for style, group in groupby(cells, key=lambda cell: cell[1])
    )
