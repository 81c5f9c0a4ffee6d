"""Errors as one sentence for users."""

from __future__ import annotations

from objectives.base.errors import ObjectiveError, TrainingError, first_line
from objectives.data.files.errors import DataError
from search.errors import SearchError
from spaces.errors import SpaceError
from spaces.suggestions import suggest
from storage.errors import ForeignStudy, StorageError, UnknownStudy
from storage.retry import is_outage

OURS = (SearchError, ObjectiveError, TrainingError, DataError, SpaceError, StorageError)


def user_message(error: Exception) -> str:
    """Return the message of an error of ours; of any other, its first line, without the SQL that follows it."""
    if isinstance(error, UnknownStudy) and not isinstance(error, ForeignStudy):
        return f"{error}; {suggest(error.name, error.known, otherwise='see `search list`')}"
    if isinstance(error, OURS):
        return str(error)
    if is_outage(error):
        return "the storage does not answer; check that its server is running, then run the same command again"
    cause = error.__cause__ or error
    return f"{type(cause).__name__}: {first_line(cause)} (this looks like a bug; `search --debug ...` shows where)"
