"""Objective files that somebody on this machine has run by path: found again by their hash.

Code never travels through the storage, nor does a path: a study names its objective's hash, and this list,
on the machine itself, says where a file with that hash lies.
"""

from __future__ import annotations

import json
from pathlib import Path

from objectives.base.errors import ObjectiveError
from objectives.discovery import FoundObjective, find_objective, hash_file
from storage.files import write_file

FILE = "objectives.json"


def remember(home: Path, found: FoundObjective) -> None:
    """Note where an objective given by path lies; a home that cannot be written is left alone."""
    known = _read(home)
    if known.get(found.source_hash) == str(found.path):
        return
    try:
        home.mkdir(parents=True, exist_ok=True)
        write_file(home / FILE, json.dumps({**known, found.source_hash: str(found.path)}, indent=1).encode())
    except OSError:
        return


def recall(home: Path, name: str, source_hash: str) -> FoundObjective:
    """The objective that a study was created with: a shipped or installed one, or a file known here.

    Raises:
        ObjectiveError: neither, with what to do.
    """
    path = _read(home).get(source_hash)
    # Compared before the file is run, not after.
    if path is not None and Path(path).is_file() and hash_file(Path(path)) == source_hash:
        return find_objective(path)
    try:
        return find_objective(name)
    except ObjectiveError as error:
        raise ObjectiveError(f"{error}; if it is a file of yours, name it with --objective PATH") from None


def _read(home: Path) -> dict[str, str]:
    try:
        known = json.loads((home / FILE).read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
