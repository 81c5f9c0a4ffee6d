"""What a request asks for, and answers that are made without optuna-dashboard."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]
Headers = list[tuple[str, str]]

PROTECTION = [
    # Another site must not show the dashboard in a frame, hidden under its own buttons.
    ("X-Frame-Options", "SAMEORIGIN"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    # Of an answer that has no policy of its own: it runs nothing and loads nothing.
    ("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
]
"""What every answer has, unless it says something else."""
NEVER = ("server", "access-control-")
"""How headers begin that no answer has: the program's version, and what lets pages of other sites read."""
NO_STORE = ("Cache-Control", "no-store")
"""For all but the program's own files: what studies found stays in no cache, of the browser or on the way."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A whole answer."""

    status: HTTPStatus
    content: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()

    def send(self, start_response: StartResponse) -> Iterable[bytes]:
        """Send it as a WSGI application does."""
        start_response(status_line(self.status), self.list_headers())
        return [self.content]

    def list_headers(self) -> Headers:
        """Return its headers, without those that every answer has."""
        fixed = [("Content-Type", self.content_type), ("Content-Length", str(len(self.content))), NO_STORE]
        return [*fixed, *self.headers]


@dataclass(frozen=True, kw_only=True)
class HeldAnswer:
    """The whole answer of another application, which has not been sent yet."""

    status: str
    headers: Headers
    error: tuple[Any, ...]
    """What the application gave `start_response` beside these."""
    content: bytes

    def with_content(self, content: bytes, *headers: tuple[str, str]) -> HeldAnswer:
        """Return the answer with other content, of which further headers tell."""
        kept = [(name, value) for name, value in self.headers if name.lower() != "content-length"]
        return replace(self, content=content, headers=[*kept, ("Content-Length", str(len(content))), *headers])

    def send(self, start_response: StartResponse) -> Iterable[bytes]:
        """Send it as the application would have."""
        start_response(self.status, self.headers, *self.error)
        return [self.content]


def hold_answer(application: Application, environ: Environ) -> HeldAnswer:
    """Return what an application answers, without sending it."""
    told: list[tuple[str, Headers, tuple[Any, ...]]] = []

    def note(status: str, headers: Headers, *error: Any) -> None:
        told.append((status, headers, error))

    content = b"".join(take_all(application(environ, note)))
    status, headers, error = told[-1]
    return HeldAnswer(status=status, headers=headers, error=error, content=content)


def protect(headers: Headers) -> Headers:
    """Return the headers of an answer with PROTECTION and without NEVER."""
    kept = [(name, value) for name, value in headers if not name.lower().startswith(NEVER)]
    given = {name.lower() for name, _ in kept}
    return [*kept, *(each for each in PROTECTION if each[0].lower() not in given)]


def take_all(content: Iterable[bytes]) -> list[bytes]:
    """Return what an application answers, whole, and let it close what it has opened for that."""
    try:
        return list(content)
    finally:
        getattr(content, "close", lambda: None)()


def status_line(status: HTTPStatus) -> str:
    """Return a status as WSGI wants it."""
    return f"{status.value} {status.phrase}"


def refuse(status: HTTPStatus, reason: str, *headers: tuple[str, str]) -> Answer:
    """Return a refusal in the form in which optuna-dashboard's own page expects it."""
    return Answer(status=status, content=json.dumps({"reason": reason}).encode(), headers=headers)


def redirect(place: str, *headers: tuple[str, str]) -> Answer:
    """Return an answer that leads to another page of the dashboard."""
    return Answer(status=HTTPStatus.SEE_OTHER, headers=(("Location", place), *headers))


def read_header(environ: Environ, name: str) -> str:
    """Return a header of the request; empty if there is none."""
    return str(environ.get(f"HTTP_{name.upper().replace('-', '_')}", ""))


def read_body(environ: Environ) -> bytes:
    """Return the body of a request whose length `check_length` has accepted."""
    return bytes(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))


def check_length(environ: Environ, most: int) -> Answer | None:
    """Return a refusal of a body that is longer than `most` bytes or does not say how long it is."""
    if read_header(environ, "Transfer-Encoding"):
        return refuse(HTTPStatus.LENGTH_REQUIRED, "a request must say how long it is (Content-Length)")
    length = str(environ.get("CONTENT_LENGTH") or "0")
    if not (length.isascii() and length.isdigit()):
        return refuse(HTTPStatus.BAD_REQUEST, "Content-Length must be a number of bytes")
    if len(length) > len(str(most)) or int(length) > most:
        reason = f"a request has at most {most} bytes, but this one has more; shorten it"
        return refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, reason)
    return None
