"""A WSGI application in front of optuna-dashboard: who is let in, and what they may ask."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from search.dashboard.access import Secret
from search.dashboard.downloads import disarm, is_download
from search.dashboard.login import Login
from search.dashboard.metrics import HEALTH_PATH, METRICS_PATH, Probed, answer_health, answer_metrics
from search.dashboard.pages import HOME, SCRIPT_PATH, add_to_page, script
from search.dashboard.refusals import RefusalLog
from search.dashboard.routes import READING, Routes, is_expensive, is_foreign
from search.dashboard.wsgi import (
    NO_STORE,
    Answer,
    Application,
    Environ,
    Headers,
    StartResponse,
    read_header,
    redirect,
    refuse,
    take_all,
)

MOST_COMPUTING = 2
"""Plots that are computed at once, for all visitors together."""
MOST_QUEUED = 8
"""Plots that are computed or wait to be."""
QUEUE_SECONDS = 10.0


class DashboardGuard:
    """Refuses what optuna-dashboard would do for anybody.

    In this order: a Host that is not among `hosts` (421, against DNS rebinding); a request without the password or
    token (401, or the login page), but for the question whether the dashboard is well; changes by another site's
    pages (403); changes of anything but notes, and of notes unless the routes are writable (403); more plots than are
    computed at once (503). Files that trials have stored are given as files, never as pages.
    """

    def __init__(
        self,
        application: Application,
        routes: Routes,
        *,
        probed: Probed,
        secret: Secret | None,
        hosts: frozenset[str] | None,
    ) -> None:
        """Guard the application; `secret` None lets everybody in, `hosts` None answers under every name."""
        self._application = application
        self._routes = routes
        self._probed = probed
        self._hosts = hosts
        self._log = RefusalLog()
        self._login = Login(secret, self._log)
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
        if self._hosts is not None and _name(read_header(environ, "Host")) not in self._hosts:
            reason = f"this dashboard answers only under the names {', '.join(sorted(self._hosts))}"
            return self._refuse(environ, HTTPStatus.MISDIRECTED_REQUEST, reason)
        is_reading = environ["REQUEST_METHOD"] in READING
        if path == HEALTH_PATH and is_reading:
            return answer_health(self._probed)
        entry = self._login.let_in(environ, path)
        if entry is not None:
            return entry
        if path == SCRIPT_PATH:
            return script()
        if path == "/" and is_reading:
            return redirect(HOME)
        if not is_reading and is_foreign(environ):
            return self._refuse(environ, HTTPStatus.FORBIDDEN, "only the dashboard's own pages may change things")
        refusal = self._routes.check(environ)
        if refusal is not None and refusal.status == HTTPStatus.FORBIDDEN:
            self._log.write(environ, refusal.status, "a change of something that the dashboard does not change")
        return refusal

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
                return take_all(self._pass_on(environ, start_response))
            finally:
                self._computing.release()
        finally:
            self._queue.release()

    def _pass_on(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == METRICS_PATH:
            return answer_metrics(self._probed).send(start_response)
        own_file = path == "/favicon.ico" or path.startswith("/static/")

        def protected(status: str, headers: Headers, *error: Any) -> Any:
            safe = disarm(headers) if is_download(path) and status.startswith("2") else headers
            return start_response(status, [*safe, *([] if own_file else [NO_STORE])], *error)

        if environ["REQUEST_METHOD"] == "GET" and (path == HOME or path.startswith(f"{HOME}/")):
            return add_to_page(self._application, environ, protected, logout=self._login.asks)
        return self._application(environ, protected)


def _name(host: str) -> str:
    name, separator, port = host.rpartition(":")
    return (name if separator and port.isdigit() else host).lower()
