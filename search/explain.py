"""An error in one sentence, fit to show to a user."""

from __future__ import annotations

from objectives.core.errors import ObjectiveError, TrainingError, first_line
from objectives.data.errors import DataError
from search.errors import SearchError
from search.outages import is_outage
from spaces.errors import SpaceError
from storage.errors import StorageError

OURS = (SearchError, ObjectiveError, TrainingError, DataError, SpaceError, StorageError)


def sentence(error: Exception) -> str:
    """The message of an error of ours; of another, its first line, without the SQL that follows it."""
    if isinstance(error, OURS):
        return str(error)
    if is_outage(error):
        return "the storage does not answer; see that its server runs, then give the same command again"
    cause = error.__cause__ or error
    return f"{type(cause).__name__}: {first_line(cause)} (this looks like a bug; `search --debug ...` shows where)"
