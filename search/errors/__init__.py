"""Exit codes, and the exceptions that only this package raises.

SearchError               exit 1
├── UsageError            exit 2: an argument or a combination of arguments breaks a rule
├── StoredValueRefused    exit 1: the storage holds a value that this program did not write
└── NothingToDo           exit 3: there is nothing to work on
"""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """The exit codes of the command line; a contract."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOTHING = 3
    INTERRUPTED = 130
    TERMINATED = 143


class SearchError(Exception):
    """The operation failed; the message is one sentence with a remedy."""

    code = Exit.FAILED


class UsageError(SearchError):
    """An argument, an override or a combination of arguments breaks a rule."""

    code = Exit.USAGE


class StoredValueRefused(SearchError):
    """The storage holds a value that this program never writes, and that it uses for nothing."""


class NothingToDo(SearchError):
    """There is nothing to work on: no such study, no completed trial."""

    code = Exit.NOTHING


class Interrupted(BaseException):
    """A signal asked this process to end; not an Exception, so that an objective cannot swallow it."""
