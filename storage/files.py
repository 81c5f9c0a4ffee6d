"""Writing files so that a crash, a full disk or a power cut leaves the old file or the new one, never a part."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PRIVATE = 0o600
"""Permissions of a file that only its owner may read."""
SHARED = 0o666
"""Permissions of a file that the process's umask decides about."""


def write_file(path: Path, content: bytes, *, mode: int = SHARED) -> None:
    """Write a file whole or not at all, replacing an older one.

    Raises:
        OSError: it cannot be written; an older file stays.
    """
    with replace_file(path, mode=mode) as partial:
        partial.write_bytes(content)


@contextmanager
def replace_file(path: Path, *, mode: int = SHARED) -> Iterator[Path]:
    """Yield an empty file in the same folder, which takes the place of `path` when the block ends without an error.

    Args:
        mode: Permissions of the file from its first moment on, less the process's umask.

    Raises:
        OSError: the file cannot be made, flushed or renamed, or there is something else than a file; it stays.
    """
    _check_replaceable(path)
    folder = path.absolute().parent
    # A name that nobody can foresee: several processes may write the same path at once.
    partial = folder / f".{secrets.token_hex(8)}.part"
    os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode))
    try:
        yield partial
        flush(partial)
        partial.replace(path)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise
    flush(folder)


def _check_replaceable(path: Path) -> None:
    """Refuse what would be gone for everybody if a file took its place: a device or pipe, /dev/null or /dev/stdout."""
    leads_to_open_file = path.is_symlink() and os.readlink(path).startswith("/proc/")
    if leads_to_open_file or (path.exists() and not path.is_file()):
        raise OSError(errno.EINVAL, "what is there is no file", str(path))


def flush(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on the disk.

    Raises:
        OSError: the disk does not take it.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot flush a folder; they flush its names by themselves.
        if not (path.is_dir() and error.errno in (errno.EBADF, errno.EINVAL)):
            raise
    finally:
        os.close(descriptor)
