"""A guard between the browser and optuna-dashboard, which has no login, no read-only mode and no Host check."""

from __future__ import annotations

import base64
import hmac
import socket
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

READING = ("GET", "HEAD", "OPTIONS")
LOCAL_NAMES = ("127.0.0.1", "localhost", "[::1]")

# Another site must not show the dashboard in a frame, hidden under its own buttons.
PROTECTION = [("X-Frame-Options", "SAMEORIGIN"), ("X-Content-Type-Options", "nosniff")]


class DashboardGuard:
    """A WSGI application in front of another, which it protects.

    It refuses a wrong or missing password (401), on loopback a Host that is not this machine's (421, against DNS
    rebinding), and requests that change something: from another site always, from its own unless `writable` (403).
    """

    def __init__(self, application: Application, *, password: str | None, writable: bool, any_host: bool) -> None:
        self._application = application
        self._password = password
        self._writable = writable
        self._any_host = any_host

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        def protected(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            return start_response(status, [*headers, *PROTECTION], *error)

        refusal = self._refusal(environ)
        if refusal is None:
            return self._application(environ, protected)
        status, text = refusal
        headers = [("Content-Type", "text/plain; charset=utf-8")]
        if status.startswith("401"):
            headers.append(("WWW-Authenticate", 'Basic realm="search", charset="UTF-8"'))
        start_response(status, headers)
        return [f"{text}\n".encode()]

    def _refusal(self, environ: Environ) -> tuple[str, str] | None:
        host = str(environ.get("HTTP_HOST", ""))
        if not self._any_host and _name(host) not in LOCAL_NAMES:
            return "421 Misdirected Request", "this dashboard answers only under the names 127.0.0.1 and localhost"
        if self._password is not None and not self._allowed(str(environ.get("HTTP_AUTHORIZATION", ""))):
            return "401 Unauthorized", "a password is needed; the user name does not matter"
        if environ["REQUEST_METHOD"] in READING:
            return None
        if not self._writable:
            return "403 Forbidden", "read-only; start the dashboard with --writable to change things"
        origin = environ.get("HTTP_ORIGIN")
        if origin is not None and str(origin).partition("://")[2] != host:
            return "403 Forbidden", "only the dashboard's own pages may change things"
        return None

    def _allowed(self, header: str) -> bool:
        scheme, _, encoded = header.partition(" ")
        try:
            given = base64.b64decode(encoded, validate=True).partition(b":")[2]
        except ValueError:
            return False
        assert self._password is not None
        return scheme.lower() == "basic" and hmac.compare_digest(given, self._password.encode())


def _name(host: str) -> str:
    name, separator, port = host.rpartition(":")
    return name if separator and port.isdigit() else host


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    # A browser opens half a dozen connections at once, and the default queue of 5 is too short for two browsers.
    request_queue_size = 128


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: the dashboard sends requests every few seconds."""


def make_server(host: str, port: int, application: Application) -> WSGIServer:
    """Return a server with one thread per request; its `server_port` is the real one if `port` is 0.

    Raises:
        OSError: the address cannot be listened on.
    """
    server = (_Server6 if ":" in host else _Server)((host, port), _Handler)
    server.set_app(application)
    return server
