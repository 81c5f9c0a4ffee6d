"""Errors as one sentence for users."""

from __future__ import annotations

import errno
import os

from objectives.base.errors import ObjectiveError, TrainingError, first_line
from objectives.data.files.errors import DataError
from search.errors import SearchError
from spaces.errors import SpaceError
from spaces.suggestions import suggest
from storage.connecting.failures import explain_answer
from storage.connecting.refusals import explain_refusal
from storage.connecting.retry import is_outage
from storage.errors import ForeignStudy, StorageError, UnknownStudy

FULL = (errno.ENOSPC, errno.EDQUOT)
OURS = (SearchError, ObjectiveError, TrainingError, DataError, SpaceError, StorageError)


def user_message(error: Exception) -> str:
    """Return the message of an error of ours; of any other, its first line, without the SQL that follows it."""
    if isinstance(error, UnknownStudy) and not isinstance(error, ForeignStudy):
        return f"{error}; {suggest(error.name, error.known, otherwise='see `search list`')}"
    if isinstance(error, OURS):
        return str(error)
    if refusal := explain_refusal(error):
        return refusal
    if answer := explain_answer(error):
        return answer
    if is_outage(error):
        return "the storage does not answer; check that its server is running, then run the same command again"
    if isinstance(error, OSError) and error.errno in FULL:
        where = "" if error.filename is None else f" {error.filename}"
        return f"there is no room to write{where} ({os.strerror(error.errno)}); free some, then run the command again"
    cause = error.__cause__ or error
    return f"{type(cause).__name__}: {first_line(cause)} (this looks like a bug; `search --debug ...` shows where)"
