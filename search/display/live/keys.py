"""Keys that a person presses while a command shows something."""

from __future__ import annotations

import os
import select
import sys
import termios
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager

LEAVE = frozenset("qQ\x04")
"""`q`, or Ctrl-D."""


class Keys:
    """Waits for a key that leaves; without a terminal, it only waits."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    def wait(self, seconds: float) -> bool:
        """Wait for so long, or until a key that leaves is pressed; return whether one was."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if self._descriptor is None:
                time.sleep(left)
            elif select.select([self._descriptor], [], [], left)[0]:
                typed = os.read(self._descriptor, 1024).decode(errors="replace")
                if not typed or LEAVE & set(typed):  # nothing to read: the terminal is gone
                    return True
        return False


@contextmanager
def read_keys() -> Iterator[Keys]:
    """Yield the keys of the terminal, which shows none of them within the block; Ctrl-C stays a signal."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        yield Keys(None)
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield Keys(descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
