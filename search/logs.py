"""Logging for people: one line per event, on stderr."""

from __future__ import annotations

import logging
import os
import sys


def configure(debug: bool = False) -> None:
    """Send warnings, or everything with `debug` or SEARCH_DEBUG=1, to stderr; workers inherit the choice."""
    if debug:
        os.environ["SEARCH_DEBUG"] = "1"
    level = logging.DEBUG if os.environ.get("SEARCH_DEBUG") else logging.WARNING
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s: %(message)s")
    logging.getLogger("search").setLevel(level)
    # storage.connecting.retry warns about a broken connection once, in plain words; the pool would do so each time.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
