"""The pictures of README.md, taken of a real study; `python -m tests.pictures` takes them again (about two minutes).

The terminal: `search run` in a pseudo-terminal, its output read by a terminal emulator. The dashboard: `search
dashboard` in a headless Chromium, which draws the terminal, too.
"""

from __future__ import annotations

import argparse
import html
import io
import os
import pty
import re
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pyte
from PIL import Image
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from tests.browser.chromium import open_chromium
from tests.search.serving import serving

IMAGES = Path(__file__).parent.parent / "docs" / "images"
TERMINAL = "terminal.png"
DASHBOARD = "dashboard.png"
LARGEST_BYTES = 200_000
STUDY = "digits-depth"
COLUMNS, LINES = 124, 30
COLOURS = 256
WIDTH_PIXELS = 1300
PATIENCE_SECONDS = 60

STYLE = """
body { margin: 0; background: white; }
main { display: inline-block; padding: 12px; }
#window { border-radius: 9px; background: #1b1f27; overflow: hidden;
  box-shadow: 0 3px 10px rgba(0, 0, 0, .3); }
#bar { height: 30px; background: #2a303b; padding-left: 14px; }
#bar i { display: inline-block; width: 11px; height: 11px; margin: 10px 8px 0 0; border-radius: 50%; }
pre { margin: 0; padding: 12px 16px 16px; color: #d6dbe4; font: 14px/1.35 "DejaVu Sans Mono", monospace; }
b { color: white; }
"""
BUTTONS = "".join(f'<i style="background: {colour}"></i>' for colour in ("#ec6a5e", "#f4bf4f", "#61c554"))


Line = list[tuple[str, bool]]
"""The characters of a line of a terminal, and whether each is bold."""


def take(folder: Path, *, trials: int) -> None:
    """Run a study of that many trials in a home of its own and write both pictures into the folder."""
    with tempfile.TemporaryDirectory(prefix="pictures-", dir="/tmp") as scratch:
        home = Path(scratch)
        home.chmod(0o755)  # as root, the embedded server runs as another user
        environment = {"SEARCH_HOME": str(home / "home"), "SEARCH_CACHE": str(home / "cache")}
        lines = run_in_terminal(environment, trials)
        with open_chromium(home / "profile", width=WIDTH_PIXELS, scale=1.5) as browser:
            _save(folder / TERMINAL, photograph_terminal(browser, lines, home))
            with serving(**environment) as dashboard:
                browser.get(dashboard.opening)
                _save(folder / DASHBOARD, photograph_dashboard(browser, dashboard.url))


def run_in_terminal(environment: dict[str, str], trials: int) -> list[Line]:
    """Run the study in a pseudo-terminal; return its screen when two trials in training had come furthest."""
    command = ["search", "run", "--study", STUDY]
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    stream.feed(f"$ {' '.join(command)}\r\n".encode())
    furthest, most = _lines(screen), 0
    for output in _outputs([sys.executable, "-P", "-m", *command, f"--trials={trials}", "--workers=2"], environment):
        stream.feed(output)
        bars = [line for line in screen.display if re.match(r"\d+ +\d+/\d+ +━", line)]
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


def photograph_dashboard(browser: Chrome, url: str) -> bytes:
    """Return a PNG of the first study's page, from its top to the end of the timeline, once its plots are drawn."""
    wait = WebDriverWait(browser, PATIENCE_SECONDS)
    browser.get(f"{url}dashboard/studies/1")
    points = "svg.main-svg .scatterlayer .points path.point"
    wait.until(lambda _: len(browser.find_elements(By.CSS_SELECTOR, points)) > 3)
    timeline = "//*[contains(@class, 'MuiCard-root')][contains(., 'Timeline')]"
    bottom = wait.until(lambda _: browser.find_element(By.XPATH, timeline)).rect
    size = {"width": WIDTH_PIXELS, "height": int(bottom["y"] + bottom["height"]) + 12}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {**size, "deviceScaleFactor": 1, "mobile": False})
    time.sleep(3)  # plots are drawn again for the new size, and animated
    return browser.get_screenshot_as_png()


def _outputs(command: list[str], environment: dict[str, str]) -> Iterator[bytes]:
    """Run a command in a pseudo-terminal and yield what it writes, piece by piece."""
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (LINES, COLUMNS))
    settings = {**os.environ, **environment, "TERM": "xterm-256color"}
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
    lines = [[(screen.buffer[y][x].data, screen.buffer[y][x].bold) for x in range(COLUMNS)] for y in range(LINES)]
    while lines and not "".join(text for text, _ in lines[-1]).strip():
        lines.pop()
    return lines


def _text(lines: list[Line]) -> str:
    """Return lines as HTML."""
    cells = (
        f"<b>{html.escape(text)}</b>" if bold else html.escape(text)
        for line in lines
        for text, bold in [*line, ("\n", False)]
    )
    return "".join(cells).replace("</b><b>", "")


def _save(path: Path, png: bytes) -> None:
    """Write a picture with a palette: a third of the size, and nothing that one sees is lost."""
    picture = Image.open(io.BytesIO(png)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    picture.save(path, optimize=True)
    if path.stat().st_size > LARGEST_BYTES:
        raise RuntimeError(f"{path} has {path.stat().st_size} bytes, but at most {LARGEST_BYTES} are allowed")


def main() -> None:
    """Take the pictures, with as many trials and into such a folder as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--out", type=Path, default=IMAGES)
    given = parser.parse_args()
    take(given.out, trials=given.trials)


if __name__ == "__main__":
    main()
