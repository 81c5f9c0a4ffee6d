"""Whether an objective's file is being read: a script that defines an objective may search it as well."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

from objectives.base.errors import StopReading

_reading: ContextVar[bool] = ContextVar("reading", default=False)


def stop_if_reading() -> None:
    """End the reading of an objective's file at the call of this function; do nothing outside of such a reading.

    A script may define an objective and then search it: a process that reads the objective from the script must not
    search it as well.
    """
    if _reading.get():
        raise StopReading


@contextlib.contextmanager
def reading() -> Iterator[None]:
    """Read an objective's file within the block, which `stop_if_reading` ends."""
    token = _reading.set(True)
    try:
        with contextlib.suppress(StopReading):
            yield
    finally:
        _reading.reset(token)
