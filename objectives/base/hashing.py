"""Hashes of source code: the identity of an objective."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def hash_package(module: ModuleType) -> str:
    """Return the SHA-256 of the source code that an imported module comes with.

    That is every `.py` file of its top-level package, by relative path, whether it has been imported or not. A
    namespace package is no distribution of its own: below one, the next package counts. A module outside of any
    package counts alone, by the content of its file.
    """
    package = _find_top_package(module)
    if package is None:
        return hash_file(Path(module.__file__ or ""))
    digest = hashlib.sha256()
    for name, path in sorted(_list_sources(package)):
        digest.update(f"{name}\0{hash_file(path)}\n".encode())
    return digest.hexdigest()


def _find_top_package(module: ModuleType) -> ModuleType | None:
    """Return the outermost regular package that the module is in, or None."""
    parts = module.__name__.split(".")
    for length in range(1, len(parts) + 1):
        candidate = sys.modules[".".join(parts[:length])]
        if candidate.__file__ is not None and hasattr(candidate, "__path__"):
            return candidate
    return None


def _list_sources(package: ModuleType) -> Iterator[tuple[str, Path]]:
    for folder in map(Path, package.__path__):
        for path in folder.rglob("*.py"):
            yield path.relative_to(folder).as_posix(), path
