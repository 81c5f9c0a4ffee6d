"""Compressed answers: a study's trials are megabytes of JSON, whose fifteenth part crosses the network."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from typing import Any

from search.dashboard.wsgi import Application, Environ, Headers, StartResponse, read_header

LEAST_BYTES = 20_000
"""A shorter answer is sent as it is."""
LEVEL = 1
"""Takes 2 ms for each megabyte; the highest level makes it half as long in 10 times the time."""


def send_compressed(application: Application, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Send the answer of an application, compressed if it is long and the other side takes that."""
    if not _takes_gzip(environ):
        return application(environ, start_response)
    told: list[tuple[str, Headers, tuple[Any, ...]]] = []

    def note(status: str, headers: Headers, *error: Any) -> None:
        told.append((status, headers, error))

    content = b"".join(application(environ, note))
    status, headers, error = told[-1]
    names = {name.lower() for name, _ in headers}
    if len(content) >= LEAST_BYTES and "content-encoding" not in names:
        content = gzip.compress(content, LEVEL, mtime=0)
        kept = [(name, value) for name, value in headers if name.lower() != "content-length"]
        length = ("Content-Length", str(len(content)))
        headers = [*kept, length, ("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")]
    start_response(status, headers, *error)
    return [content]


def _takes_gzip(environ: Environ) -> bool:
    offered = read_header(environ, "Accept-Encoding").lower().replace(" ", "").split(",")
    return any(each == "gzip" or (each.startswith("gzip;q=") and each[7:].strip("0.")) for each in offered)
