"""Signals: the first SIGINT or SIGTERM ends the process in good order, the others must not cut that short."""

from __future__ import annotations

import signal
import sys
from typing import Any

from search.errors import Interrupted

ENDING = (signal.SIGINT, signal.SIGTERM)
AGAIN_SECONDS = 0.05


def end_on_first(numbers: tuple[signal.Signals, ...] = ENDING) -> None:
    """Let the first signal raise `Interrupted` with its number; later ones are ignored.

    What follows is bounded: workers that do not end in their grace period are killed. A command started in the
    background by a script begins with SIGINT ignored; it is heard here all the same.

    An exception that is raised while Python runs a finalizer is dropped there, with no more than a line on
    stderr: it is raised again a moment later.
    """
    heard: list[int] = []

    def end(number: int, _: object) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        heard.append(number)
        raise Interrupted(number)

    def again(*_: object) -> None:
        raise Interrupted(heard[0])

    def dropped(unraisable: Any) -> None:
        if isinstance(unraisable.exc_value, Interrupted):
            signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)
        else:
            sys.__unraisablehook__(unraisable)

    sys.unraisablehook = dropped
    signal.signal(signal.SIGALRM, again)
    for number in numbers:
        signal.signal(number, end)
