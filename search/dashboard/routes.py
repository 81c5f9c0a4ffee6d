"""Which of optuna-dashboard's routes are answered, and what a request must have for that."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol
from urllib.parse import parse_qs

from search.dashboard.wsgi import Answer, Environ, check_length, read_body, read_header, refuse

READING = ("GET", "HEAD", "OPTIONS")
MOST_BYTES = 2**20
"""Of a request's body: the longest note."""

READ_ONLY = "this dashboard is read-only; `search dashboard --writable` lets notes be changed, and nothing else"
NOTES_ONLY = "this dashboard changes notes and nothing else"
COMMANDS = (
    (r"POST /api/studies", "a study is created with `search run --study NAME`"),
    (
        r"POST /api/studies/-?\d+/rename",
        "a study is renamed with `search study rename --study NAME --to NEW`, which keeps its budget, curves and score",
    ),
    (r"DELETE /api/studies/-?\d+", "a study is deleted with `search study delete --study NAME`"),
    (r"POST /api/trials/-?\d+/tell", "a trial ends with the worker that trains it; `search stop` ends the workers"),
)

_NOTE = re.compile(r"PUT /api/studies/(?P<study>\d{1,10})(/(?P<trial>\d{1,10}))?/note")
_STUDY = re.compile(r"/(api/studies|csv)/(?P<study>-?\d+)(/.*)?")
_DETAIL = re.compile(r"/api/studies/-?\d+")
_EXPENSIVE = re.compile(r"/api/studies/-?\d+/(plot/.*|param_importances)|/csv/.*|/metrics|/artifacts/\d+/[^/]*")
_LONGEST_ID = 11
"""Digits and a sign, of a row of Optuna's tables: Python refuses to read thousands of them."""
_COUNT = re.compile(r"[0-9]{1,9}")


class Catalogue(Protocol):
    """What the storage has."""

    def has_study(self, study_id: int) -> bool:
        """Return whether there is such a study."""

    def has_trial(self, study_id: int, trial_id: int) -> bool:
        """Return whether the study has such a trial."""


@dataclass(frozen=True, kw_only=True)
class Routes:
    """What may be read and changed."""

    catalogue: Catalogue
    writable: bool

    def check(self, environ: Environ) -> Answer | None:
        """Return a refusal; None for a request that may be passed on, whose unused parts are removed then."""
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        note = _NOTE.fullmatch(f"{method} {path}")
        if method not in READING and (note is None or not self.writable):
            return refuse(HTTPStatus.FORBIDDEN, self._explain(f"{method} {path}"))
        study = _STUDY.fullmatch(path)
        if study is not None and not self._has_study(study["study"]):
            reason = f"there is no study with the id {study['study'][: _LONGEST_ID + 1]}; reload the page"
            return refuse(HTTPStatus.NOT_FOUND, reason)
        return _check_reading(environ) if note is None else self._check_note(environ, note)

    def _has_study(self, identity: str) -> bool:
        return len(identity) <= _LONGEST_ID and self.catalogue.has_study(int(identity))

    def _explain(self, request: str) -> str:
        base = NOTES_ONLY if self.writable else READ_ONLY
        return "; ".join([base, *(hint for pattern, hint in COMMANDS if re.fullmatch(pattern, request))])

    def _check_note(self, environ: Environ, note: re.Match[str]) -> Answer | None:
        if note["trial"] is not None and not self.catalogue.has_trial(int(note["study"]), int(note["trial"])):
            return refuse(HTTPStatus.NOT_FOUND, f"the study has no trial with the id {note['trial']}; reload the page")
        refusal = check_length(environ, MOST_BYTES)
        if refusal is not None:
            return refusal
        content = read_body(environ)
        if not _is_note(content):
            return refuse(HTTPStatus.BAD_REQUEST, 'a note is {"version": number, "body": text}')
        environ["CONTENT_TYPE"] = "application/json"
        environ["wsgi.input"] = io.BytesIO(content)
        return None


def is_foreign(environ: Environ) -> bool:
    """Return whether a page of another site sends the request."""
    origin = read_header(environ, "Origin")
    other = bool(origin) and origin.partition("://")[2] != read_header(environ, "Host")
    return other or read_header(environ, "Sec-Fetch-Site") in ("cross-site", "same-site")


def is_expensive(environ: Environ) -> bool:
    """Return whether the answer takes seconds of computing."""
    return _EXPENSIVE.fullmatch(environ["PATH_INFO"]) is not None


def _check_reading(environ: Environ) -> Answer | None:
    environ["CONTENT_LENGTH"] = "0"
    environ["wsgi.input"] = io.BytesIO()
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    environ.setdefault("HTTP_ACCEPT_ENCODING", "")  # optuna-dashboard looks into it unasked
    if _DETAIL.fullmatch(environ["PATH_INFO"]) is None:
        return None
    # What is read here is all that is passed on: a separator that only one of the two knows would hide a value.
    given = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True).get("after", ["0"])
    if len(given) != 1 or _COUNT.fullmatch(given[0]) is None:
        return refuse(HTTPStatus.BAD_REQUEST, "`after` must be one number of trials, 0 or more")
    environ["QUERY_STRING"] = f"after={given[0]}"
    return None


def _is_note(content: bytes) -> bool:
    try:
        note = json.loads(content)
    except (ValueError, RecursionError):
        return False
    return isinstance(note, dict) and type(note.get("version")) is int and isinstance(note.get("body"), str)
