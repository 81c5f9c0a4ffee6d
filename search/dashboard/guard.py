"""A WSGI application in front of optuna-dashboard: who is let in, and what they may ask."""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Iterable
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

from search.dashboard.access import Secret, Sessions, Throttle
from search.dashboard.pages import SCRIPT_PATH, add_to_page, login_page, script
from search.dashboard.refusals import RefusalLog
from search.dashboard.routes import READING, Routes, is_expensive, is_foreign
from search.dashboard.wsgi import (
    NO_STORE,
    PROTECTION,
    Answer,
    Application,
    Environ,
    Headers,
    StartResponse,
    check_length,
    read_body,
    read_header,
    redirect,
    refuse,
)

LOCAL_NAMES = ("127.0.0.1", "localhost", "[::1]")
HOME = "/dashboard"
MOST_FORM_BYTES = 4096
MOST_COMPUTING = 2
"""Plots that are computed at once, for all visitors together."""
MOST_QUEUED = 8
"""Plots that are computed or wait to be."""
QUEUE_SECONDS = 10.0


class DashboardGuard:
    """Refuses what optuna-dashboard would do for anybody.

    In this order: on loopback a Host that is not this machine's (421, against DNS rebinding); a request without
    the password or token (401, or the login page); changes by another site's pages (403); changes of anything but
    notes, and of notes unless the routes are writable (403); more plots than are computed at once (503).
    """

    def __init__(self, application: Application, routes: Routes, *, secret: Secret | None, any_host: bool) -> None:
        """Guard the application; `secret` None lets everybody in."""
        self._application = application
        self._routes = routes
        self._secret = secret
        self._any_host = any_host
        self._sessions = Sessions()
        self._throttle = Throttle()
        self._log = RefusalLog()
        self._computing = threading.BoundedSemaphore(MOST_COMPUTING)
        self._queue = threading.BoundedSemaphore(MOST_QUEUED)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        environ["PATH_INFO"] = path = "/" + environ["PATH_INFO"].strip("/")
        answer = self._answer(environ, path)
        if answer is not None:
            return answer.send(start_response)
        if is_expensive(environ):
            return self._compute(environ, start_response)
        return self._pass_on(environ, start_response)

    def _answer(self, environ: Environ, path: str) -> Answer | None:
        """Return an answer that needs no optuna-dashboard; None for a request that is passed on."""
        if not self._any_host and _name(read_header(environ, "Host")) not in LOCAL_NAMES:
            reason = "this dashboard answers only under the names 127.0.0.1 and localhost"
            return self._refuse(environ, HTTPStatus.MISDIRECTED_REQUEST, reason)
        entry = self._let_in(environ, path)
        if entry is not None:
            return entry
        if path == SCRIPT_PATH:
            return script()
        if environ["REQUEST_METHOD"] not in READING and is_foreign(environ):
            return self._refuse(environ, HTTPStatus.FORBIDDEN, "only the dashboard's own pages may change things")
        refusal = self._routes.check(environ)
        if refusal is not None and refusal.status == HTTPStatus.FORBIDDEN:
            self._log.write(environ, refusal.status, "a change of something that the dashboard does not change")
        return refusal

    def _let_in(self, environ: Environ, path: str) -> Answer | None:
        """Return an answer to a request without the secret, or one that logs in with it; None for all others."""
        token = parse_qs(environ.get("QUERY_STRING", "")).get("token") if path in ("/", HOME, "/login") else None
        if self._secret is None or self._has_session(environ):
            return redirect(HOME) if token or path == "/login" else None
        if path == "/login" and environ["REQUEST_METHOD"] == "POST":
            return self._log_in(environ, self._secret)
        if token and self._secret.kind == "token":
            return self._exchange(environ, self._secret, token[0].encode())
        given = self._secret.read(read_header(environ, "Authorization"))
        if given is not None:
            return self._check(environ, self._secret, given, self._secret.matches)
        if path == "/login":
            return login_page(self._secret.kind)
        if environ["REQUEST_METHOD"] == "GET" and "text/html" in read_header(environ, "Accept"):
            return redirect("/login")
        return self._ask(environ, self._secret)

    def _log_in(self, environ: Environ, secret: Secret) -> Answer:
        refusal = check_length(environ, MOST_FORM_BYTES)
        if refusal is not None:
            return refusal
        # `Origin: null` is this page's own: it sends no referrer.
        if read_header(environ, "Origin") != "null" and is_foreign(environ):
            return self._refuse(environ, HTTPStatus.FORBIDDEN, "only the dashboard's own page logs in")
        form = parse_qs(read_body(environ).decode("ascii", "replace"), keep_blank_values=True)
        return self._exchange(environ, secret, form.get("secret", [""])[0].encode())

    def _exchange(self, environ: Environ, secret: Secret, given: bytes) -> Answer:
        """Give a session for the secret."""
        refusal = self._check(environ, secret, given, secret.redeem)
        if refusal is None:
            cookie = f"{_cookie_name(environ)}={self._sessions.open()}; Path=/; HttpOnly; SameSite=Strict"
            return redirect(HOME, ("Set-Cookie", cookie))
        message = "That is not the password." if secret.kind == "password" else "That token is used or wrong."
        if refusal.status == HTTPStatus.TOO_MANY_REQUESTS:
            message = "Too many wrong passwords came from this address; try again in a minute."
        return login_page(secret.kind, message, refusal.status)

    def _check(self, environ: Environ, secret: Secret, given: bytes, matches: Any) -> Answer | None:
        """Return None if the secret is right; nobody can guess a token, so that only passwords are delayed."""
        address = _network(str(environ.get("REMOTE_ADDR", "")))
        if secret.kind == "token":
            right, wait = matches(given), 0.0
        else:
            right, wait = self._throttle.check(address, lambda: matches(given))
        if right:
            return None
        if wait:
            reason = f"too many wrong passwords came from this address; try again in {wait:.0f} s"
            retry = ("Retry-After", str(int(wait) + 1))
            self._log.write(environ, HTTPStatus.TOO_MANY_REQUESTS, "too many wrong passwords")
            return refuse(HTTPStatus.TOO_MANY_REQUESTS, reason, retry)
        self._log.write(environ, HTTPStatus.UNAUTHORIZED, f"wrong {secret.kind}")
        return self._ask(environ, secret)

    def _ask(self, environ: Environ, secret: Secret) -> Answer:
        reason = {
            "password": "a password is needed; the user name does not matter",
            "token": "the token of the newest URL that `search dashboard` shows is needed, as Authorization: Bearer",
        }[secret.kind]
        # A browser would open a window of its own for Basic; its page sends the cookie of a session that has ended.
        has_ended = _cookie_name(environ) in _cookies(environ)
        challenge = 'Session realm="search"' if has_ended else secret.challenge
        return refuse(HTTPStatus.UNAUTHORIZED, reason, ("WWW-Authenticate", challenge))

    def _has_session(self, environ: Environ) -> bool:
        identity = _cookies(environ).get(_cookie_name(environ))
        return identity is not None and self._sessions.holds(identity)

    def _refuse(self, environ: Environ, status: HTTPStatus, reason: str) -> Answer:
        self._log.write(environ, status, reason)
        return refuse(status, reason)

    def _compute(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Pass on a request for a plot, when it is its turn."""
        reason = f"the dashboard computes {MOST_COMPUTING} plots at once, and others wait; reload the page in a minute"
        busy = refuse(HTTPStatus.SERVICE_UNAVAILABLE, reason, ("Retry-After", "10"))
        if not self._queue.acquire(blocking=False):
            return busy.send(start_response)
        try:
            if not self._computing.acquire(timeout=QUEUE_SECONDS):
                return busy.send(start_response)
            try:
                return list(self._pass_on(environ, start_response))
            finally:
                self._computing.release()
        finally:
            self._queue.release()

    def _pass_on(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        own_file = path == "/favicon.ico" or path.startswith("/static/")

        def protected(status: str, headers: Headers, *error: Any) -> Any:
            return start_response(status, [*headers, *([] if own_file else [NO_STORE]), *PROTECTION], *error)

        if environ["REQUEST_METHOD"] == "GET" and (path == HOME or path.startswith(f"{HOME}/")):
            return add_to_page(self._application, environ, protected)
        return self._application(environ, protected)


def _cookie_name(environ: Environ) -> str:
    # A browser sends a cookie to every port of a machine.
    return f"search-session-{environ['SERVER_PORT']}"


def _cookies(environ: Environ) -> dict[str, str]:
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(read_header(environ, "Cookie")).items()}
    except CookieError:
        return {}


def _name(host: str) -> str:
    name, separator, port = host.rpartition(":")
    return name if separator and port.isdigit() else host


def _network(address: str) -> str:
    """Return what counts as one visitor: an IPv4 address, or the network of an IPv6 address, which has 2**64."""
    try:
        return str(ipaddress.ip_network((address.partition("%")[0], 64), strict=False)) if ":" in address else address
    except ValueError:
        return address
