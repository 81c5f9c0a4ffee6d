"""Logging for people: one line an event, on stderr."""

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
    # What the pool says of broken connections, `outages` says once and for people.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
