"""An HTTP server that limits what a connection may take, before it is known who has opened it."""

from __future__ import annotations

import io
import json
import logging
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import quote
from wsgiref.simple_server import ServerHandler, WSGIRequestHandler, WSGIServer

from search.dashboard.wsgi import NO_STORE, PROTECTION, Application, Environ, StartResponse, refuse

MOST_CONNECTIONS = 64
REQUEST_SECONDS = 10.0
"""Within which a whole request must have arrived."""
RESPONSE_SECONDS = 120.0
"""Within which a whole answer must have been taken; the largest file has 4 MB."""
GOODBYE_SECONDS = 1.0
LONGEST_LINE = 65536

_log = logging.getLogger(__name__)


class _Connections:
    """The open connections. Where there are too many, the oldest of those that wait for the other side gives way."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._waiting: dict[socket.socket, bool] = {}

    def admit(self, connection: socket.socket) -> bool:
        """Add a connection; False if all others are at work."""
        with self._lock:
            if len(self._waiting) >= self._most:
                oldest = next((each for each, waits in self._waiting.items() if waits), None)
                if oldest is None:
                    return False
                del self._waiting[oldest]
                with suppress(OSError):
                    oldest.shutdown(socket.SHUT_RDWR)  # ends its thread, which closes it
            self._waiting[connection] = True
            return True

    def remove(self, connection: socket.socket) -> None:
        with self._lock:
            self._waiting.pop(connection, None)

    @contextmanager
    def wait(self, connection: socket.socket) -> Iterator[None]:
        """Count the connection as one that waits for the other side until the end of the block."""
        self._set(connection, True)
        try:
            yield
        finally:
            self._set(connection, False)

    def _set(self, connection: socket.socket, waits: bool) -> None:
        with self._lock:
            if connection in self._waiting:
                self._waiting[connection] = waits


class _Stream(io.RawIOBase):
    """The bytes of a connection in one direction, all of which must have passed `seconds` after the first call.

    A time limit of the socket alone would begin again with every byte.
    """

    def __init__(self, connection: socket.socket, connections: _Connections, seconds: float) -> None:
        self._connection = connection
        self._connections = connections
        self._seconds = seconds
        self._deadline: float | None = None

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with self._limit():
            return self._connection.recv_into(buffer)

    def write(self, data: Any) -> int:
        with self._limit():
            self._connection.sendall(data)
        return len(data)

    @contextmanager
    def _limit(self) -> Iterator[None]:
        if self._deadline is None:
            self._deadline = time.monotonic() + self._seconds
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        with self._connections.wait(self._connection):
            yield


class _Answering(ServerHandler):
    """Runs the application for one request; what it does not catch becomes an answer without a traceback."""

    server_software = ""  # no Server header
    os_environ: dict[str, str] = {}  # noqa: RUF012 - a name of the base class; a request sees none of this process's
    request_handler: WSGIRequestHandler

    def log_exception(self, exc_info: Any) -> None:
        """Log one line, unless the other side is gone or too slow."""
        if not isinstance(exc_info[1], OSError):
            method, path = self.request_handler.command, self.request_handler.path.partition("?")[0]
            _log.error("%s %s failed: %r", method, quote(path[:100], safe="/%"), exc_info[1])

    def error_output(self, environ: Environ, start_response: StartResponse) -> list[bytes]:
        """Send an answer that tells nothing about the program."""
        return list(refuse(HTTPStatus.INTERNAL_SERVER_ERROR, "internal server error").send(start_response))


class _Handler(WSGIRequestHandler):
    server: DashboardServer

    def setup(self) -> None:
        self.connection = self.request
        connections = self.server.connections
        self.rfile = io.BufferedReader(_Stream(self.connection, connections, REQUEST_SECONDS))
        self.wfile = _Stream(self.connection, connections, RESPONSE_SECONDS)  # type: ignore[assignment]

    def handle(self) -> None:
        self.raw_requestline = self.rfile.readline(LONGEST_LINE + 1)
        if len(self.raw_requestline) > LONGEST_LINE:
            self.requestline = self.request_version = self.command = ""
            self.send_error(HTTPStatus.REQUEST_URI_TOO_LONG)
        elif self.parse_request():
            streams = (self.rfile, self.wfile, sys.stderr)
            handler = _Answering(*streams, self.get_environ(), multithread=True)  # type: ignore[arg-type]
            handler.request_handler = self
            handler.run(self.server.get_app())  # type: ignore[arg-type]

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        self.request_version = self.protocol_version  # a line that is no request leaves that of 1991, without status
        content = json.dumps({"reason": HTTPStatus(code).phrase}).encode()
        self.send_response_only(code)
        fixed = [("Content-Type", "application/json"), ("Content-Length", str(len(content))), NO_STORE]
        for name, value in [*fixed, *PROTECTION]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: the dashboard sends requests every few seconds."""


class DashboardServer(ThreadingMixIn, WSGIServer):
    """One thread for each of at most MOST_CONNECTIONS connections; `server_port` is the real one if `port` is 0."""

    daemon_threads = True
    # A browser opens half a dozen connections at once, and the default queue of 5 is too short for two browsers.
    request_queue_size = 128

    def __init__(self, host: str, port: int, application: Application) -> None:
        """Listen.

        Raises:
            OSError: the address cannot be listened on.
        """
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.connections = _Connections(MOST_CONNECTIONS)
        super().__init__((host, port), _Handler)
        self.set_app(application)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give the connection a thread or, if all are at work, close it."""
        if self.connections.admit(request):
            super().process_request(request, client_address)
        else:
            self.close_request(request)

    def shutdown_request(self, request: Any) -> None:
        """Close the connection, but let the other side read the answer to what it is still sending."""
        with suppress(OSError), self.connections.wait(request):
            request.shutdown(socket.SHUT_WR)
            deadline = time.monotonic() + GOODBYE_SECONDS
            while (left := deadline - time.monotonic()) > 0:
                request.settimeout(left)
                if not request.recv(LONGEST_LINE):
                    break
        self.connections.remove(request)
        self.close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log one line, unless the other side is gone or too slow."""
        error = sys.exception() if sys.version_info >= (3, 12) else sys.exc_info()[1]
        if not isinstance(error, OSError):
            _log.error("a request of %s failed: %r", client_address[0], error)
