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
from storage.connecting.refusals import find_driver_error
from storage.errors import AccessRefused, BadURL, StorageError
from storage.url import mask_password

ATTEMPT = re.compile(r"^connection to server (?:at .*?|on socket .*?) failed: ", re.MULTILINE)
SERVER_SAYS = re.compile(r"^[^\s:]+:  ")


def explain(error: BaseException, url: URL) -> StorageError:
    """Return the error for a connection that psycopg2 could not make or lost; its message holds no password."""
    message = str(error)
    facts = {"where": mask_password(url), "database": str(url.database)}
    if getattr(error, "pgcode", None):  # a statement was refused, for a reason that is nobody's mistake
        return _write(OTHER[0], message, (), facts)
    if "certificate verify failed" in message and (fault := find_fault(find_parameters(url))):
        facts["why"] = fault
    return _write(*_find_row(message), facts)


def explain_answer(error: BaseException) -> str | None:
    """Return the sentence for a server that answered and let nobody in; None for any other error.

    For a connection that was to replace a broken one, where the URL is not at hand.
    """
    cause = find_driver_error(error)
    if cause is None or cause.pgcode:
        return None
    row, attempt, groups = _find_row(str(cause))
    facts = {"where": "the storage's address", "database": "named"}
    return str(_write(row, attempt, groups, facts)) if row in ANSWERED or refuses_access(str(cause)) else None


def refuses_access(message: str) -> bool:
    """Return whether what libpq says of a failed connection stays so until somebody changes something."""
    row, _, _ = _find_row(message)
    return issubclass(row.error, AccessRefused | BadURL)


def _find_row(message: str) -> tuple[Cause, str, tuple[str | None, ...]]:
    """Return the cause that a message names, the part that says it, and what the cause's pattern found there."""
    answered, own = _split(message)
    for rows, attempts in ((ANSWERED, answered), (OWN, own)):
        for attempt in attempts:
            for row in rows:
                if match := re.search(row.pattern, attempt):
                    return row, attempt, match.groups()
    return (OTHER[0], answered[0], ()) if answered else (OTHER[1], own[0], ())


def _split(message: str) -> tuple[list[str], list[str]]:
    """Return what servers said and what libpq said, one entry for each attempt at one address."""
    attempts = [text.strip() for text in ATTEMPT.split(message) if text.strip()] or ["no reason is given"]
    answered = [SERVER_SAYS.sub("", attempt) for attempt in attempts if SERVER_SAYS.match(attempt)]
    return answered, [attempt for attempt in attempts if not SERVER_SAYS.match(attempt)] or attempts


def _write(row: Cause, attempt: str, groups: tuple[str | None, ...], facts: Mapping[str, str]) -> StorageError:
    said = attempt.splitlines()[0]
    return row.error(row.sentence.format(None, *groups, said=said, **{"why": said, **facts}))
