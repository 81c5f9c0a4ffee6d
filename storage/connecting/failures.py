"""Why a connection to Postgres fails, in one sentence with a remedy.

libpq hands over text alone, and no SQLSTATE, when a connection fails. What the server said follows a severity and two
spaces ("FATAL:  "), in the server's language; everything else is libpq's own, always in English here. So a row of the
table recognizes words, and what no row recognizes is shown as it was said, without a guess.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from sqlalchemy import URL

from storage.connecting.causes import ANSWERED, OTHER, OWN, Cause
from storage.connecting.certificates import find_fault
from storage.connecting.parameters import find_parameters
from storage.connecting.protection import without_requirement
from storage.connecting.refusals import find_driver_error
from storage.errors import StorageError
from storage.url import mask_password

ATTEMPT = re.compile(r"^connection to server (?:at .*?|on socket .*?) failed: ", re.MULTILINE)
SERVER_SAYS = re.compile(r"^[^\s:]+:  ")


def explain(error: BaseException, url: URL) -> StorageError:
    """Return the error for a connection that psycopg2 could not make or lost; its message holds no password."""
    message = str(error)
    facts = {"where": mask_password(without_requirement(url)), "database": str(url.database)}
    if getattr(error, "pgcode", None):  # a statement was refused, for a reason that is nobody's mistake
        return _write(OTHER[0], message, (), facts)
    if "certificate verify failed" in message and (fault := find_fault(find_parameters(url))):
        facts["why"] = fault
    answered, own = _split(message)
    for rows, attempts in ((ANSWERED, answered), (OWN, own)):
        for attempt in attempts:
            for row in rows:
                if match := re.search(row.pattern, attempt):
                    return _write(row, attempt, match.groups(), facts)
    return _write(OTHER[0], answered[0], (), facts) if answered else _write(OTHER[1], own[0], (), facts)


def explain_answer(error: BaseException) -> str | None:
    """Return the sentence for a server that answered and let nobody in; None for any other error.

    For a connection that was to replace a broken one, where the URL is not at hand.
    """
    cause = find_driver_error(error)
    answered, _ = _split(str(cause)) if cause is not None and not cause.pgcode else ([], [])
    facts = {"where": "the storage's address", "database": "named"}
    found = (
        str(_write(row, attempt, match.groups(), facts))
        for attempt in answered
        for row in ANSWERED
        if (match := re.search(row.pattern, attempt))
    )
    return next(found, None)


def _split(message: str) -> tuple[list[str], list[str]]:
    """Return what servers said and what libpq said, one entry for each attempt at one address."""
    attempts = [text.strip() for text in ATTEMPT.split(message) if text.strip()] or ["no reason is given"]
    answered = [SERVER_SAYS.sub("", attempt) for attempt in attempts if SERVER_SAYS.match(attempt)]
    return answered, [attempt for attempt in attempts if not SERVER_SAYS.match(attempt)] or attempts


def _write(row: Cause, attempt: str, groups: tuple[str | None, ...], facts: Mapping[str, str]) -> StorageError:
    said = attempt.splitlines()[0]
    return row.error(row.sentence.format(None, *groups, said=said, **{"why": said, **facts}))
