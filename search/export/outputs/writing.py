"""Writing exports: whole or not at all, and never over something that no export wrote."""

from __future__ import annotations

import mmap
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from search.errors import UsageError
from search.errors.unwritable import refuse_unwritable
from storage.files import replace_file


def check_file(path: Path, mark: bytes) -> None:
    """Check that a file can be written to this path.

    mark: what every earlier export of this kind has in it.

    Raises:
        UsageError: something else is there.
    """
    if path.is_dir():
        raise UsageError(f"{path} is a folder, and this format is a file; name a file with -o")
    if path.exists() and not (path.is_file() and (path.stat().st_size == 0 or _contains(path, mark))):
        raise UsageError(
            f"{path} is there already and no such export wrote it; remove it, or name another file with -o"
        )


@contextmanager
def write_export(path: Path, mark: bytes) -> Iterator[Path]:
    """Yield an empty file, which takes the place of `path` if the block ends without an error.

    Raises:
        UsageError: something else is there.
        SearchError: it cannot be written.
    """
    check_file(path, mark)
    with refuse_unwritable(path, "file"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replace_file(path) as partial:
            yield partial


def check_folder(path: Path, mark_file: str, mark: bytes, known: frozenset[str]) -> None:
    """Check that a folder can be written to this path.

    mark_file, mark: a file that every earlier export has, and what is in it. known: the files that exports write.

    Raises:
        UsageError: something else is there.
    """
    if path.is_symlink():
        raise UsageError(f"{path} is a link, whose place the folder would take; name a folder itself with -o")
    if not path.exists():
        return
    if not path.is_dir():
        raise UsageError(f"{path} is a file, and this format is a folder; name a folder with -o")
    there = {each.name for each in path.iterdir()}
    if there and not ((path / mark_file).is_file() and _contains(path / mark_file, mark)):
        raise UsageError(f"{path} is there already and no export wrote it; remove it, or name another folder with -o")
    if others := sorted(name for name in there if name not in known or not (path / name).is_file()):
        raise UsageError(
            f"{path} has a file that no export wrote, {others[0]!r}; move it away, or name another folder with -o"
        )


@contextmanager
def write_export_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder, which takes the place of `path` if the block ends without an error.

    Raises:
        SearchError: it cannot be written.
    """
    name = secrets.token_hex(8)
    folder = path.absolute().parent
    partial, old = folder / f".{name}.part", folder / f".{name}.old"
    try:
        with refuse_unwritable(path, "folder"):
            folder.mkdir(parents=True, exist_ok=True)
            partial.mkdir()
            yield partial
            if path.exists():
                path.rename(old)
            partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        if path.exists():
            shutil.rmtree(old, ignore_errors=True)


def _contains(path: Path, mark: bytes) -> bool:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(mark) >= 0
