"""Signals: the first SIGINT or SIGTERM ends the process in good order; the second hurries it.

A process has one set of signal handlers, so there is one state of them, in this module.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from search.errors import Interrupted

ENDING = (signal.SIGINT, signal.SIGTERM)
AGAIN_SECONDS = 0.05


@dataclass
class _Heard:
    """What has been heard, and what is to be done about it."""

    numbers: list[int] = field(default_factory=list)
    deferring: bool = False
    hurries: list[Callable[[], None]] = field(default_factory=list)


_heard = _Heard()


def end_on_first(numbers: tuple[signal.Signals, ...] = ENDING) -> None:
    """Let the first signal raise `Interrupted` with its number; the second hurries, the others are ignored.

    A command started in the background by a script begins with SIGINT ignored; it is heard here all the same.

    An exception that is raised while Python runs a finalizer is dropped there, with no more than a line on
    stderr: it is raised again a moment later.
    """

    def end(number: int, _: object) -> None:
        _heard.numbers.append(number)
        if len(_heard.numbers) == 1:
            if not _heard.deferring:
                raise Interrupted(number)
            return
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        for hurry in _heard.hurries:
            hurry()

    def again(*_: object) -> None:
        raise Interrupted(_heard.numbers[0])

    def dropped(unraisable: Any) -> None:
        if isinstance(unraisable.exc_value, Interrupted):
            signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)
        else:
            sys.__unraisablehook__(unraisable)

    sys.unraisablehook = dropped
    signal.signal(signal.SIGALRM, again)
    for number in numbers:
        signal.signal(number, end)


def end_requested() -> bool:
    """Whether this process has been asked to end."""
    return bool(_heard.numbers)


@contextmanager
def defer_signals() -> Iterator[None]:
    """Let a first signal wait for the end of the block, which should ask `asked` often."""
    _heard.deferring = True
    try:
        yield
    finally:
        _heard.deferring = False
    if _heard.numbers:
        raise Interrupted(_heard.numbers[0])


@contextmanager
def hurry_on_second(hurry: Callable[[], None]) -> Iterator[None]:
    """Within the block, call `hurry` at the second signal: what is being waited for is not worth it any more.

    Cleaning up is not cut short by it.
    """
    _heard.hurries.append(hurry)
    try:
        yield
    finally:
        _heard.hurries.remove(hurry)
