"""A log of what was refused, in which there is no secret."""

from __future__ import annotations

import logging
import threading
import time
from http import HTTPStatus
from urllib.parse import quote

from search.dashboard.wsgi import Environ

MOST_LINES = 20
"""Within PERIOD_SECONDS, so that guessing passwords does not fill the disk."""
PERIOD_SECONDS = 60.0
LONGEST_PATH = 100
LONGEST_ADDRESS = 60

_log = logging.getLogger(__name__)


class RefusalLog:
    """Logs at most MOST_LINES refusals a minute, then one line that says so."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since = 0.0
        self._lines = 0

    def write(self, environ: Environ, status: HTTPStatus, reason: str) -> None:
        """Log one line: method and path without the query, in which a token may be."""
        count = self._count()
        if count == MOST_LINES:
            _log.warning("the dashboard refuses more; nothing is logged about it for a minute")
        elif count < MOST_LINES:
            method, path = quote(environ["REQUEST_METHOD"][:16]), quote(environ["PATH_INFO"][:LONGEST_PATH])
            address = quote(str(environ.get("REMOTE_ADDR"))[:LONGEST_ADDRESS], safe=":.%[]")
            _log.warning("the dashboard refused %s %s of %s: %d, %s", method, path, address, status, reason)

    def _count(self) -> int:
        """Return how many lines this minute has had already."""
        with self._lock:
            if time.monotonic() - self._since > PERIOD_SECONDS:
                self._since, self._lines = time.monotonic(), 0
            self._lines += 1
            return self._lines - 1
