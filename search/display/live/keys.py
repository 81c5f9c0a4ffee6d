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
from typing import Any

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
    if not (sys.stdin.isatty() and sys.stdout.isatty() and _may_set(sys.stdin.fileno())):
        yield Keys(None)
        return
    descriptor = sys.stdin.fileno()
    with _restore(descriptor):
        tty.setcbreak(descriptor)
        yield Keys(descriptor)


@contextmanager
def hide_keys() -> Iterator[None]:
    """Within the block, the terminal does not write what is typed, `^C` included, into what it shows."""
    if not (sys.stdin.isatty() and sys.stdout.isatty() and _may_set(sys.stdin.fileno())):
        yield
        return
    descriptor = sys.stdin.fileno()
    with _restore(descriptor) as before:
        modes = termios.tcgetattr(descriptor)
        modes[3] = before[3] & ~termios.ECHO
        termios.tcsetattr(descriptor, termios.TCSADRAIN, modes)
        yield


@contextmanager
def _restore(descriptor: int) -> Iterator[list[Any]]:
    """Yield the terminal's modes, and restore them after the block."""
    before = termios.tcgetattr(descriptor)
    try:
        yield before
    finally:
        if _may_set(descriptor):
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _may_set(descriptor: int) -> bool:
    """Return whether this process may change the terminal: one in the background would be stopped for it."""
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:  # not the terminal that controls this process
        return True
