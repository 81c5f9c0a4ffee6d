"""waitress, with limits on what a connection may take, before it is known who has opened it.

waitress has threads, parses requests and limits their size. What it lacks is here: a limit on the time of a whole
request (its own begins again with every byte), room for a new connection when others are silent, headers that no
answer leaves out, and answers that do not name the program.
"""

from __future__ import annotations

import logging
import math
import socket
import threading
import time
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Self

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask, WSGITask

from search.dashboard.tls import Termination
from search.dashboard.wsgi import Application, Headers, protect, refuse, status_line

THREADS = 16
MOST_CONNECTIONS = 128
REQUEST_SECONDS = 10.0
"""Within which a whole request must have arrived, its TLS handshake included."""
RESPONSE_SECONDS = 120.0
"""Within which a whole answer must have been taken; the largest file has 4 MB."""
GOODBYE_SECONDS = 1.0
MOST_HEADER_BYTES = 65536
MOST_BODY_BYTES = 2**21
"""waitress keeps a body before the guard sees the request; the guard's own limits are lower."""
STOP_SECONDS = 1.0

PROXY_HEADERS = {"x-forwarded-for", "x-forwarded-proto"}


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


class _Channel(HTTPChannel):  # type: ignore[misc]
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
            self.recv(MOST_HEADER_BYTES)  # ends the channel when the other side has closed
        except OSError:
            self.end()


class _Server(TcpWSGIServer):  # type: ignore[misc]
    """Where there are too many connections, the oldest of those that wait for the other side gives way."""

    channel_class = _Channel
    tls: Termination | None = None

    def maintenance(self, now: float) -> None:
        """End overdue connections; `now` is of another clock."""
        for channel in list(self.active_channels.values()):
            if channel.is_overdue(time.monotonic()):
                channel.end()

    def handle_accept(self) -> None:
        """Take a further connection or, if all others are at work, close it."""
        with suppress(OSError):  # the other side is gone
            connection, address = self.accept() or (None, None)
            if connection is None:
                return
            if not self._make_room():
                connection.close()
                return
            self.set_socket_options(connection)
            if self.tls is not None:
                connection = self.tls.terminate(connection)
            self.channel_class(self, connection, address, self.adj, map=self._map)

    def _make_room(self) -> bool:
        channels = self.active_channels.values()
        if len(channels) < MOST_CONNECTIONS:
            return True
        oldest = next((channel for channel in channels if channel.waits), None)
        if oldest is not None:
            oldest.end()
        return oldest is not None


class DashboardServer:
    """Answers requests from its construction to the end of its block; `server_port` is the real one if `port` is 0."""

    def __init__(
        self,
        host: str,
        port: int,
        application: Application,
        *,
        tls: Termination | None = None,
        trusted_proxy: str | None = None,
    ) -> None:
        """Listen.

        trusted_proxy: the address whose headers say who asks, and whether over TLS; None believes no such header.

        Raises:
            OSError: the address cannot be listened on.
        """
        _quieten()
        listener = _listen(host, port)
        self.server_port: int = listener.getsockname()[1]
        self._tls = tls
        self._server = _Server(
            application,
            adj=_adjust(tls is not None, trusted_proxy),
            sockinfo=(listener.family, listener.type, listener.proto, listener.getsockname()),
            _sock=listener,
            bind_socket=False,
        )
        self._server.tls = tls
        self._stop, self._stopped = threading.Event(), threading.Event()
        # Not in the main thread: a signal would raise its exception in the midst of what waitress does.
        threading.Thread(target=self._run, name="dashboard", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._server.pull_trigger()
        self._stopped.wait(STOP_SECONDS)
        self._server.task_dispatcher.shutdown(timeout=STOP_SECONDS)
        if self._tls is not None:
            self._tls.close()

    def serve_forever(self) -> None:
        """Wait until an exception ends it."""
        self._stopped.wait()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                wasyncore.loop(timeout=1.0, use_poll=True, map=self._server._map, count=1)
        finally:
            wasyncore.close_all(self._server._map, ignore_all=True)
            self._stopped.set()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    dual = host == "::" and socket.has_dualstack_ipv6()
    return socket.create_server((host, port), family=family, backlog=128, dualstack_ipv6=dual)


def _adjust(tls: bool, trusted_proxy: str | None) -> Adjustments:
    proxy = {"trusted_proxy": trusted_proxy, "trusted_proxy_headers": PROXY_HEADERS} if trusted_proxy else {}
    return Adjustments(
        threads=THREADS,
        ident=None,  # no Server header
        url_scheme="https" if tls else "http",
        connection_limit=MOST_CONNECTIONS + THREADS,  # not reached: `_make_room` comes first
        cleanup_interval=1,
        max_request_header_size=MOST_HEADER_BYTES,
        max_request_body_size=MOST_BODY_BYTES,
        asyncore_use_poll=True,
        **proxy,
    )


def _quieten() -> None:
    """Let waitress log one printable line about what fails, and nothing about the rest."""
    logger = logging.getLogger("waitress")
    logger.setLevel(logging.ERROR)
    logger.addFilter(_keep_one_line)


def _keep_one_line(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    line = f"{record.getMessage()}: {error!r}" if error is not None else record.getMessage()
    record.msg, record.args, record.exc_info = "".join(c if c.isprintable() else "?" for c in line), None, None
    return True
