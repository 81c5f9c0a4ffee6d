"""Compressed answers: a study's trials are megabytes of JSON, whose fifteenth part crosses the network."""

from __future__ import annotations

import gzip

from search.dashboard.wsgi import Environ, HeldAnswer, read_header

LEAST_BYTES = 20_000
"""A shorter answer is sent as it is."""
LEVEL = 1
"""Takes 2 ms for each megabyte; the highest level makes it half as long in 10 times the time."""


def compress(answer: HeldAnswer, environ: Environ) -> HeldAnswer:
    """Return an answer, compressed if it is long and the other side takes that."""
    names = {name.lower() for name, _ in answer.headers}
    if len(answer.content) < LEAST_BYTES or "content-encoding" in names or not takes_gzip(environ):
        return answer
    content = gzip.compress(answer.content, LEVEL, mtime=0)
    return answer.with_content(content, ("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding"))


def takes_gzip(environ: Environ) -> bool:
    """Return whether the other side takes compressed answers."""
    offered = read_header(environ, "Accept-Encoding").lower().replace(" ", "").split(",")
    return any(each == "gzip" or (each.startswith("gzip;q=") and each[7:].strip("0.")) for each in offered)
