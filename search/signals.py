"""Signals: the first SIGINT or SIGTERM ends the process cleanly; the second makes it hurry.

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
RETRY_SECONDS = 0.05


@dataclass
class _State:
    """The signals that have arrived, and how to react to them."""

    numbers: list[int] = field(default_factory=list)
    deferring: bool = False
    hurries: list[Callable[[], None]] = field(default_factory=list)


_state = _State()


def end_on_first(numbers: tuple[signal.Signals, ...] = ENDING) -> None:
    """Have the first signal raise `Interrupted` with its number, the second call what hurries, and ignore the others.

    A command that a script starts in the background begins with SIGINT ignored; it is handled all the same.

    Python drops an exception that is raised while it runs a finalizer: it is raised again a moment later.
    """

    def end(number: int, _: object) -> None:
        _state.numbers.append(number)
        if len(_state.numbers) == 1:
            if not _state.deferring:
                raise Interrupted(number)
            return
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        for hurry in _state.hurries:
            hurry()

    def raise_again(*_: object) -> None:
        raise Interrupted(_state.numbers[0])

    def handle_dropped(unraisable: Any) -> None:
        if isinstance(unraisable.exc_value, Interrupted):
            signal.setitimer(signal.ITIMER_REAL, RETRY_SECONDS)
        else:
            sys.__unraisablehook__(unraisable)

    sys.unraisablehook = handle_dropped
    signal.signal(signal.SIGALRM, raise_again)
    for number in numbers:
        signal.signal(number, end)


def end_requested() -> bool:
    """Return whether this process has been asked to end."""
    return bool(_state.numbers)


@contextmanager
def defer_signals() -> Iterator[None]:
    """Postpone a first signal to the end of the block, which should call `end_requested` often."""
    _state.deferring = True
    try:
        yield
    finally:
        _state.deferring = False
    if _state.numbers:
        raise Interrupted(_state.numbers[0])


@contextmanager
def hurry_on_second(hurry: Callable[[], None]) -> Iterator[None]:
    """Within the block, call `hurry` at the second signal, to end a wait. Cleaning up is not cut short by it."""
    _state.hurries.append(hurry)
    try:
        yield
    finally:
        _state.hurries.remove(hurry)
