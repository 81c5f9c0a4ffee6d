"""The exceptions of this package, and the commands that messages name.

StorageError
├── BadURL                the storage URL cannot be used (a usage error)
├── Unreachable           no server answers there, or it takes no connection now
│   ├── AccessRefused     it refuses this user, password or database, until somebody changes that
│   └── ReadOnlyStorage   it answers, and takes no writes
├── EmbeddedServerError   the embedded Postgres cannot be installed, started or stopped
├── SchemaMismatch        the tables are of another version of this program, or of Optuna
├── UpgradeRefused        the tables cannot be upgraded now
├── UnknownStudy          no study of that name is kept here
│   └── ForeignStudy      a study of that name is kept here, but another Optuna program made it
├── UnreadableTrials      the rows of a study's trials were changed so that they cannot be read
├── StudyExists           a study of that name is kept here already
├── StudyInUse            the study cannot be renamed or deleted while others use it
├── LeaseLost             another worker holds the trial now
├── NoSlot                the study takes no new trial: its budget is claimed, or it was stopped
├── StoreFailed           the bytes of a checkpoint could not be written or read
└── ScoreRefused          the test set may not be scored with these weights
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


def format_command(*words: str) -> str:
    """Return a command of this program for a message, quoted for a shell, so that it can be copied and run."""
    return shlex.join(("search", *words))


class StorageError(Exception):
    """Base of the exceptions that this package raises; the message is one sentence with a remedy, for the user."""


class BadURL(StorageError):
    """The storage URL is malformed or not Postgres; the message never holds a password."""


class Unreachable(StorageError):
    """The server does not answer, or takes no connection now."""


class AccessRefused(Unreachable):
    """The server refuses the user, the password or the database, or a right is missing: waiting does not help."""


class ReadOnlyStorage(Unreachable):
    """The server takes no writes: it is a standby, or this connection may only read; a failover may change that."""


class EmbeddedServerError(StorageError):
    """The embedded Postgres cannot be found, created, started, joined or stopped."""


class SchemaMismatch(StorageError):
    """The tables are of another version of this program, or of Optuna."""


class UpgradeRefused(StorageError):
    """The tables cannot be upgraded now: an older program uses them, or this user may not change them."""


class UnknownStudy(StorageError):
    """No study of that name is kept here.

    name: the name that was asked for. known: the names of the studies that are kept here.
    """

    def __init__(self, name: str, known: Sequence[str] = (), message: str | None = None) -> None:
        super().__init__(message or f"there is no study {name!r} in this storage")
        self.name = name
        self.known = tuple(known)


class ForeignStudy(UnknownStudy):
    """A study of that name is kept here, but another Optuna program made it."""

    def __init__(self, name: str) -> None:
        super().__init__(
            name,
            message=f"the study {name!r} is kept here, but was not made by this program; choose another name",
        )


class UnreadableTrials(StorageError):
    """The rows of a study's trials hold values that neither this program nor Optuna writes."""


@contextmanager
def refuse_unreadable(whose: str) -> Iterator[None]:
    """Turn what reading the values of changed rows raises, which may be almost any type, into `UnreadableTrials`.

    whose: whose rows they are, for the message.
    """
    try:
        yield
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise UnreadableTrials(
            f"the rows of {whose} were changed in the storage and cannot be read ({type(error).__name__}: "
            f"{str(error)[:200]}); restore the storage from a backup, or delete the study"
        ) from error


class StudyExists(StorageError):
    """A study of that name is kept here already."""


class StudyInUse(StorageError):
    """The study cannot be renamed or deleted now: a worker trains it, or another study needs it."""


class LeaseLost(StorageError):
    """Another worker holds the trial; this one must not write about it any more."""


class NoSlot(StorageError):
    """The study takes no new trial: every slot of its budget is claimed, or it was stopped."""


class StoreFailed(StorageError):
    """The store of checkpoints did not accept the bytes, or does not return those that were written."""


class ScoreRefused(StorageError):
    """The test set may not be scored with these weights: it was claimed for others."""
