"""Compressed answers: a study's trials are megabytes of JSON, whose fifteenth part crosses the network."""

from __future__ import annotations

import gzip
from collections.abc import Iterable

from search.dashboard.wsgi import Application, Environ, StartResponse, hold_answer, read_header

LEAST_BYTES = 20_000
"""A shorter answer is sent as it is."""
LEVEL = 1
"""Takes 2 ms for each megabyte; the highest level makes it half as long in 10 times the time."""


def send_compressed(application: Application, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Send the answer of an application, compressed if it is long and the other side takes that."""
    if not _takes_gzip(environ):
        return application(environ, start_response)
    answer = hold_answer(application, environ)
    names = {name.lower() for name, _ in answer.headers}
    if len(answer.content) >= LEAST_BYTES and "content-encoding" not in names:
        content = gzip.compress(answer.content, LEVEL, mtime=0)
        answer = answer.with_content(content, ("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding"))
    return answer.send(start_response)


def _takes_gzip(environ: Environ) -> bool:
    offered = read_header(environ, "Accept-Encoding").lower().replace(" ", "").split(",")
    return any(each == "gzip" or (each.startswith("gzip;q=") and each[7:].strip("0.")) for each in offered)
