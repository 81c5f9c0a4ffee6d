"""A connection of waitress's, which neither waits for ever nor answers without the headers that all answers have."""

from __future__ import annotations

import math
import socket
import time
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from waitress.channel import HTTPChannel
from waitress.task import ErrorTask, WSGITask

from search.dashboard.wsgi import Headers, protect, refuse, status_line

REQUEST_SECONDS = 10.0
"""Within which a whole request must have arrived, its TLS handshake included."""
RESPONSE_SECONDS = 120.0
"""Within which a whole answer must have been taken; the largest file has 4 MB."""
GOODBYE_SECONDS = 1.0
DROPPED_BYTES = 65536
"""Read at a time of what comes after the last answer."""


class _Protected:
    """What both kinds of tasks share: the headers that every answer has, and those that none has."""

    response_headers: Headers

    def build_response_header(self) -> bytes:
        """Return the status line and the headers."""
        self.response_headers = protect(self.response_headers)
        head: bytes = super().build_response_header()  # type: ignore[misc]
        return head


class _Task(_Protected, WSGITask):  # type: ignore[misc]
    pass


class _Refusal(_Protected, ErrorTask):  # type: ignore[misc]
    def execute(self) -> None:
        """Answer what is no request, or failed, in the form of all refusals."""
        status = HTTPStatus(self.request.error.code)
        answer = refuse(status, status.phrase)
        self.status = status_line(status)
        self.response_headers.extend(answer.list_headers())
        self.set_close_on_finish()
        self.content_length = len(answer.content)
        self.write(answer.content)


class Channel(HTTPChannel):  # type: ignore[misc]
    """A connection, which ends if it makes the server wait for too long."""

    task_class = _Task
    error_task_class = _Refusal

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self._served = 0
        self._doing, self._since = ("asking", 0), time.monotonic()
        self._goodbye: float | None = None
        super().__init__(*arguments, **named)

    def service(self) -> None:
        """Answer one request, in a thread of its own."""
        super().service()
        self._served += 1

    @property
    def waits(self) -> bool:
        """Whether it waits for the other side."""
        return self._goodbye is not None or bool(self.total_outbufs_len) or not self.requests

    def is_overdue(self, now: float) -> bool:
        """Return whether the other side has taken too long; called about once a second."""
        if self._goodbye is not None:
            return now > self._goodbye
        doing = "sending" if self.total_outbufs_len else "working" if self.requests else "asking"
        if (doing, self._served) != self._doing:
            self._doing, self._since = (doing, self._served), now
        limits = {"asking": REQUEST_SECONDS, "sending": RESPONSE_SECONDS}
        return now - self._since > limits.get(doing, math.inf)

    def end(self) -> None:
        """Close it at once."""
        super().handle_close()

    def handle_close(self) -> None:
        """Close it, but let the other side read the answer to what it is still sending."""
        if self.will_close and self.connected and self._goodbye is None:
            with suppress(OSError):
                self.socket.shutdown(socket.SHUT_WR)
                self._goodbye = time.monotonic() + GOODBYE_SECONDS
                return
        self.end()

    def readable(self) -> bool:
        return self._goodbye is not None or bool(super().readable())

    def writable(self) -> bool:
        return self._goodbye is None and bool(super().writable())

    def handle_read(self) -> None:
        """Read a part of a request; at the end, drop what still comes."""
        if self._goodbye is None:
            super().handle_read()
            return
        try:
            self.recv(DROPPED_BYTES)  # ends the channel when the other side has closed
        except OSError:
            self.end()
