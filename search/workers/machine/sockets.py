"""The folder of the sockets by which processes talk to each other, whose path must be short."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator

from search.errors import SearchError

# `sun_path` of <sys/un.h> has 104 bytes on macOS and 108 on Linux, and `multiprocessing` adds
# "/pymp-xxxxxxxx/listener-xxxxxxxx" and a zero byte.
LONGEST = 104 - 1 - 32
_SHORT = ("/tmp", "/var/tmp")


def find_temporary_folder() -> str:
    """Return the folder for temporary files: TMPDIR, or a usual one if that is missing or cannot be written.

    Raises:
        SearchError: none of them can be written.
    """
    try:
        return tempfile.gettempdir()
    except FileNotFoundError as error:
        raise SearchError(
            f"no folder for temporary files can be written ({error.strerror}); set TMPDIR to one that can, with room"
        ) from None


def find_socket_folder() -> str:
    """Return the folder for temporary files if its path is short enough for sockets, else a usual one.

    Raises:
        SearchError: its path is too long, and no other can be written; or there is none.
    """
    folder = find_temporary_folder()
    if len(os.fsencode(folder)) <= LONGEST:
        return folder
    for other in _SHORT:
        if os.path.isdir(other) and os.access(other, os.W_OK | os.X_OK):
            return other
    raise SearchError(
        f"the folder for temporary files, {folder}, has a path of {len(os.fsencode(folder))} bytes, but sockets allow "
        f"{LONGEST}; set TMPDIR to a folder with a shorter path"
    )


@contextlib.contextmanager
def use_socket_folder() -> Iterator[None]:
    """Let `multiprocessing` make its folder where sockets can be; it does so once, and processes inherit it."""
    before, tempfile.tempdir = tempfile.tempdir, find_socket_folder()
    try:
        yield
    finally:
        tempfile.tempdir = before
