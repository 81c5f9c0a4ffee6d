"""The errors of data sets; each message is one sentence for the user.

DataError
├── UnknownDataset    no data set has this name
├── MissingData       the data set is known, but its files are missing and could not be downloaded
├── UnreadableData    a file exists, but is not what its layout says
│   └── UnreadableImage   one of many image files
├── CacheError        the decoded copy could not be written, or was changed while it was used
├── ImpossibleSplit   the examples cannot be divided as asked (also a ValueError)
├── ImpossibleClasses the classes asked for are unknown, named twice or too few (also a ValueError)
└── SealedTestSet     a held-out file was about to be opened (also a PermissionError)
"""


class DataError(Exception):
    """The base class of every error about data."""


class UnknownDataset(DataError):
    """No data set has this name."""


class MissingData(DataError):
    """The files of a known data set are missing and could not be downloaded."""


class UnreadableData(DataError):
    """A file of a data set is truncated, malformed or not what its layout says."""


class UnreadableImage(UnreadableData):
    """One of many image files is not an image, or not one that can be used."""

    def __init__(self, path: str, problem: str, remedy: str) -> None:
        super().__init__(f"{path} {problem}; {remedy}")
        self.path, self.problem = path, problem

    def __reduce__(self) -> tuple[object, ...]:
        """Return how to copy it to another process: as its message."""
        return UnreadableData, self.args


class CacheError(DataError):
    """The decoded copy of a data set could not be written, or was changed while it was used."""


class ImpossibleSplit(DataError, ValueError):
    """The examples cannot be divided as asked."""


class ImpossibleClasses(DataError, ValueError):
    """The classes asked for are unknown, named twice or fewer than two."""


class SealedTestSet(DataError, PermissionError):
    """A held-out file was about to be opened by a process that must not."""

    def __str__(self) -> str:
        """Return the message, also once a file's name was added, as Python 3.13 does while it deletes folders."""
        return str(self.args[0]) if self.args else ""


def one_line(error: Exception) -> str:
    """Return an error's message in one line, or its type if it has no message; libraries' messages may have several."""
    return " ".join(str(error).split()) or type(error).__name__
