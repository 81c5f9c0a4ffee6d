"""Exit codes, and the exceptions that only this package raises.

SearchError               exit 1
├── UsageError            exit 2: a flag or a combination of flags breaks a rule
└── NothingToDo           exit 3: there is nothing to do that for
"""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """What the process's exit code means; a contract."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOTHING = 3
    INTERRUPTED = 130
    TERMINATED = 143


class SearchError(Exception):
    """The command failed; its message is one sentence and a remedy."""

    code = Exit.FAILED


class UsageError(SearchError):
    """A flag, an override or a combination of flags breaks a rule."""

    code = Exit.USAGE


class NothingToDo(SearchError):
    """The command has nothing to work on: no such study, no completed trial."""

    code = Exit.NOTHING


class Interrupted(BaseException):
    """A signal asked this process to end; not an Exception, so that no objective swallows it."""
