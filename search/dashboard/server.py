"""waitress, with limits on what a connection may take, before it is known who has opened it.

waitress has threads, parses requests and limits their size. What it lacks is here and in `channel`: a limit on the
time of a whole request (its own begins again with every byte), room for a new connection when others are silent,
headers that no answer leaves out, and answers that do not name the program.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from contextlib import suppress
from typing import Self

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.server import TcpWSGIServer

from search.dashboard.channel import Channel
from search.dashboard.tls import Termination
from search.dashboard.wsgi import Application

THREADS = 16
MOST_CONNECTIONS = 128
MOST_HEADER_BYTES = 65536
MOST_BODY_BYTES = 2**21
"""waitress keeps a body before the guard sees the request; the guard's own limits are lower."""
STOP_SECONDS = 1.0

LONGEST_LINE = 500
"""Of the log."""
PROXY_HEADERS = {"x-forwarded-for", "x-forwarded-proto"}


class _Server(TcpWSGIServer):  # type: ignore[misc]
    """Where there are too many connections, the oldest of those that wait for the other side gives way."""

    channel_class = Channel
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
    shown = "".join(char if char.isprintable() else "?" for char in line[:LONGEST_LINE])
    record.msg, record.args, record.exc_info = shown, None, None
    return True
