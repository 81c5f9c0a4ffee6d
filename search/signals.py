"""Signals: the first SIGINT or SIGTERM ends the command in good order, the others must not cut that short."""

from __future__ import annotations

import signal

from search.errors import Interrupted

ENDING = (signal.SIGINT, signal.SIGTERM)


def end_on_first() -> None:
    """Let the first signal raise `Interrupted` with its number; later ones are ignored.

    What follows is bounded: workers that do not end in their grace period are killed. A command started in the
    background by a script begins with SIGINT ignored; it is heard here all the same.
    """

    def end(number: int, _: object) -> None:
        for each in ENDING:
            signal.signal(each, signal.SIG_IGN)
        raise Interrupted(number)

    for number in ENDING:
        signal.signal(number, end)
