"""Objective files that were run by path on this machine, found again by their hash.

Neither code nor a path travels through the storage: a study stores its objective's hash, and this list, on the
machine itself, says where a file with that hash is. Shipped and installed objectives are found by name.
"""

from __future__ import annotations

import json
from pathlib import Path

from objectives.base.errors import ObjectiveError
from objectives.base.hashing import hash_file
from objectives.discovery import FoundObjective, ObjectiveName, find_named, find_objective, is_installed
from storage.files import write_file

FILE = "objectives.json"


def remember(home: Path, found: FoundObjective) -> None:
    """Note where an objective given by path is; does nothing for one with a name, or if `home` cannot be written."""
    known = _read(home)
    if found.origin != "file" or known.get(found.source_hash) == str(found.path):
        return
    try:
        home.mkdir(parents=True, exist_ok=True)
        write_file(home / FILE, json.dumps({**known, found.source_hash: str(found.path)}, indent=1).encode())
    except OSError:
        return


def recall(home: Path, name: ObjectiveName, source_hash: str) -> FoundObjective:
    """Return the objective that a study was created with: an installed or shipped one, or a file known here.

    A file is recognized by its hash before it is run. What is found by name alone may differ from what the study
    was created with; the caller compares its hash.

    Raises:
        ObjectiveError: there is none; the message says what to do.
    """
    if is_installed(name):
        found = find_named(name)
        if found.source_hash == source_hash:
            return found
    path = _read(home).get(source_hash)
    if path is not None and Path(path).is_file() and hash_file(Path(path)) == source_hash:
        return find_objective(path)
    try:
        return find_named(name)
    except ObjectiveError as error:
        raise ObjectiveError(f"{error}; if it is a file of yours, name it with --objective PATH") from None


def _read(home: Path) -> dict[str, str]:
    try:
        known = json.loads((home / FILE).read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
