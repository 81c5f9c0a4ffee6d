"""Logging for people: one line per event, on stderr."""

from __future__ import annotations

import logging
import os
import sys

from objectives.base.printable import escape_controls


def send_prints_to_stderr() -> None:
    """Send what code prints, in Python or in C, to stderr, because stdout belongs to one command's document."""
    try:
        os.dup2(2, 1)
    except OSError:  # the process has no stderr
        return


def configure(debug: bool = False) -> None:
    """Send warnings, or everything with `debug` or SEARCH_DEBUG=1, to stderr; workers inherit the choice."""
    if debug:
        os.environ["SEARCH_DEBUG"] = "1"
    level = logging.DEBUG if os.environ.get("SEARCH_DEBUG") else logging.WARNING
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine("%(levelname)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("search").setLevel(level)
    # storage.connecting.retry warns about a broken connection once, in plain words; the pool would do so each time.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)


class _OneLine(logging.Formatter):
    """Messages that quote a storage or a file cannot act on the terminal; tracebacks, shown by --debug, keep lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return escape_controls(super().formatMessage(record))
