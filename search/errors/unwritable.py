"""The sentence about a file or folder that cannot be written where a user wanted it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from search.errors import SearchError


@contextmanager
def refuse_unwritable(path: Path, what: str, *, flag: str = "-o") -> Iterator[None]:
    """Raise `SearchError` for an `OSError` of the block, which writes to a path.

    Args:
        what: What to name in its place: a file, a folder.
        flag: By which it is named.
    """
    try:
        yield
    except OSError as error:
        why = error.strerror or error
        raise SearchError(f"{path} cannot be written ({why}); name another {what} with {flag}") from None
