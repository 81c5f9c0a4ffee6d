"""A shell in a real terminal, tmux's, which tells what is on its screen and how the terminal is set."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

MISSING = "no tmux: apt install tmux"
SEARCH = f"{sys.executable} -P -m search"
PROMPT = "ready>"
SECONDS = 90
# Of tmux's own server and shell: what a terminal says of itself comes from here.
_OPTIONS = ("set -g default-terminal screen-256color", "set -g history-limit 2000")


class Pane:
    """A pane of tmux with a shell in it."""

    def __init__(self, folder: Path, columns: int, lines: int, environment: Mapping[str, str]) -> None:
        (folder / "conf").write_text("\n".join(_OPTIONS))
        self._command = ["tmux", "-f", str(folder / "conf"), "-S", str(folder / "socket")]
        settings = {**os.environ, "PS1": PROMPT, "LC_ALL": "C.UTF-8", **environment}
        for name in ("TMUX", "COLUMNS", "LINES"):
            settings.pop(name, None)
        size = ["-x", str(columns), "-y", str(lines)]
        shell = ["bash", "--norc", "--noprofile"]
        subprocess.run([*self._command, "new-session", "-d", *size, *shell], env=settings, check=True)
        self.until(lambda: PROMPT in self.screen(), "the shell")

    def ask(self, *arguments: str) -> str:
        """Return tmux's answer to one of its commands."""
        return subprocess.run([*self._command, *arguments], capture_output=True, text=True, check=True).stdout

    def type(self, text: str) -> None:
        """Type a line."""
        self.ask("send-keys", "-l", text)
        self.press("Enter")

    def press(self, key: str) -> None:
        """Press a key by tmux's name of it."""
        self.ask("send-keys", key)

    def screen(self, *options: str) -> str:
        """Return what is on the screen; options of `tmux capture-pane`."""
        return self.ask("capture-pane", "-p", *options)

    def describe(self, what: str) -> str:
        """Return one of tmux's variables, such as `cursor_flag`."""
        return self.ask("display-message", "-p", f"#{{{what}}}").strip()

    def modes(self) -> str:
        """Return how the terminal is set, as `stty` says it, but for its size."""
        terminal = self.describe("pane_tty")
        told = subprocess.run(["stty", "-a", "-F", terminal], capture_output=True, text=True, check=True).stdout
        return re.sub(r"rows \d+; columns \d+; ", "", told)

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for a condition."""
        deadline = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < deadline, f"waited {SECONDS} s in vain for {what}:\n{self.screen()}"
            time.sleep(0.1)

    def until_shown(self, pattern: str) -> str:
        """Wait until something that matches is on the screen; return the screen."""
        seen: list[str] = []

        def look() -> bool:
            seen[:] = [self.screen()]
            return re.search(pattern, seen[0], re.MULTILINE) is not None

        self.until(look, pattern)
        return seen[0]

    def end(self) -> None:
        """End tmux with all that runs in it."""
        subprocess.run([*self._command, "kill-server"], check=False, capture_output=True)


@contextmanager
def open_pane(columns: int, lines: int, **environment: str) -> Iterator[Pane]:
    """Yield a pane of this size; without tmux the test is skipped, or fails where CI is true."""
    if shutil.which("tmux") is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(MISSING)
    with tempfile.TemporaryDirectory(prefix="tmux-", dir="/tmp") as folder:
        pane = Pane(Path(folder), columns, lines, environment)
        try:
            yield pane
        finally:
            pane.end()
