"""Artifacts, whose content anybody who trains may choose: files to keep, never pages of the dashboard's own origin."""

from __future__ import annotations

import re

from search.dashboard.wsgi import Headers

SHOWN = ("image/png", "image/jpeg", "text/plain", "application/json")
"""Kinds that are named to the browser: none of them runs anything."""
NEUTRAL = "application/octet-stream"
POLICY = "sandbox; default-src 'none'; frame-ancestors 'none'"

_OWN = re.compile(r"/(dashboard|static|api|csv)(/.*)?|/favicon\.ico")
_REPLACED = ("content-type", "content-disposition", "content-security-policy")


def is_download(path: str) -> bool:
    """Return whether the answer is somebody's file: everything but the program's own pages, files and data."""
    return _OWN.fullmatch(path) is None


def disarm(headers: Headers) -> Headers:
    """Return the headers of an answer with which a browser keeps the file, whatever is in it, and runs nothing."""
    given = next((value for name, value in headers if name.lower() == "content-type"), "")
    kind = given.partition(";")[0].strip().lower()
    kept = [(name, value) for name, value in headers if name.lower() not in _REPLACED]
    shown = kind if kind in SHOWN else NEUTRAL
    if shown == "text/plain":
        shown += "; charset=utf-8"
    return [
        *kept,
        ("Content-Type", shown),
        ("Content-Disposition", "attachment"),
        ("Content-Security-Policy", POLICY),
    ]
