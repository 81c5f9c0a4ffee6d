"""Objective files that were run by path on this machine, found again by their hash.

Neither code nor a path travels through the storage: a study stores its objective's hash, and this list, on the
machine itself, says where a file with that hash is. Shipped and installed objectives are found by name.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path

from objectives.base.errors import ObjectiveError
from objectives.discovery import FoundObjective, find_named, find_objective, is_installed
from objectives.importing.own_files import hash_sources
from search.study.spec import StudySpec, find_changed_files
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


def recall(home: Path, stored: StudySpec) -> FoundObjective:
    """Return the objective that a study was created with: an installed or shipped one, or a file known here.

    A file is recognized by its hash, which covers the modules beside it, before it is run. What is found by name alone
    may differ from what the study was created with; the caller compares its hash.

    Raises:
        ObjectiveError: there is none, or the file has changed; the message says what to do.
    """
    name, source_hash = stored.objective, stored.objective_hash
    if is_installed(name):
        found = find_named(name)
        if found.source_hash == source_hash:
            return found
    known = _read(home).get(source_hash)
    path = None if known is None or not Path(known).is_file() else Path(known)
    files: Mapping[str, str] = {}
    if path is not None:
        found_hash, files = hash_sources(path)
        # An earlier version stored the hash of the file alone.
        if source_hash in (found_hash, files[path.name]):
            return find_objective(str(path))
    try:
        return find_named(name)
    except ObjectiveError as error:
        if path is not None:
            raise _describe_change(path, find_changed_files(stored.objective_files or files, files)) from None
        raise ObjectiveError(f"{error}; if it is a file of yours, name it with --objective PATH") from None


def _describe_change(path: Path, changed: list[str]) -> ObjectiveError:
    beside = [name for name in changed if name != path.name]
    what = f"objective file {path}" + (f", or what it imports ({', '.join(beside)})," if beside else "")
    return ObjectiveError(
        f"{what} has changed since the study was created; restore it, or start a study of another name with "
        f"--objective {shlex.quote(str(path))}"
    )


def _read(home: Path) -> dict[str, str]:
    try:
        known = json.loads((home / FILE).read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
