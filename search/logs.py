"""Logging for people: one line an event, on stderr."""

from __future__ import annotations

import logging
import os
import sys


def configure(debug: bool | None = None) -> None:
    """Send warnings (everything with `debug`) to stderr; worker processes inherit the choice."""
    if debug is not None:
        os.environ["SEARCH_DEBUG"] = "1" if debug else ""
    level = logging.DEBUG if os.environ.get("SEARCH_DEBUG") else logging.WARNING
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s: %(message)s")
    logging.getLogger("search").setLevel(level)
    # The fork server says nothing that a user could act on.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
