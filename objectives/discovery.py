"""Find objectives: shipped ones and installed ones by name, a user's own file by path.

A package ships an objective through an entry point of the group `depthsearch.objectives`, whose value is a module
(`my_package.study`, which defines OBJECTIVE) or an object in one (`my_package.study:SMALL`).
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import pkgutil
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Literal

from objectives import studies
from objectives.base.errors import ObjectiveError
from objectives.base.hashing import hash_file, hash_package
from objectives.base.names import ObjectiveName, is_path, parse_name
from objectives.core.declaration import hash_declaration
from objectives.core.objective import Objective
from objectives.importing import own_files
from objectives.importing.children import call_in_children
from objectives.importing.own_files import OwnFilesFinder, hash_sources
from spaces.suggestions import suggest, suggest_and_list

ENTRY_POINTS = "depthsearch.objectives"
ATTRIBUTE = "OBJECTIVE"


@dataclass(frozen=True, kw_only=True)
class FoundObjective:
    """An objective, its name, and where it was found."""

    name: ObjectiveName
    objective: Objective
    origin: Literal["shipped", "installed", "file"]
    source_hash: str
    """SHA-256 of the source code that defines it: a file with the modules beside it that it imports, or every module
    of an installed package. For one that ships with this package and brings no code of its own, `declared:` and a hash
    of what it declares: moving our code must not change what a study was created with."""
    path: Path
    """The file that defines it."""
    files: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of a user's own file and of each module beside it that it imports, by their paths from its folder."""

    @property
    def is_shipped(self) -> bool:
        """Whether the objective comes with this package."""
        return self.origin == "shipped"


def objective_names() -> list[str]:
    """Return the names of all shipped and installed objectives, sorted."""
    return sorted({*_shipped_names(), *_find_entry_points()})


def find_objective(reference: str) -> FoundObjective:
    """Return the objective called `reference`, or the one in the file at that path.

    Raises:
        ObjectiveError: there is no such objective (the message has close matches), or its module does not define one.
    """
    return _load_file(Path(reference)) if is_path(reference) else find_named(parse_name(reference))


def find_named(reference: ObjectiveName) -> FoundObjective:
    """Return the shipped or installed objective called `reference`; no file is looked for.

    Raises:
        ObjectiveError: as for `find_objective`.
    """
    entry_points = _find_entry_points()
    if reference in entry_points:
        return _load_installed(entry_points[reference])
    if reference in _shipped_names():
        return _load_shipped(reference)
    known = objective_names()
    raise ObjectiveError(
        f"unknown objective {reference!r}; {suggest_and_list(reference, known)}; or give the path of a file"
    )


def is_installed(name: str) -> bool:
    """Return whether an installed package has an objective of this name; nothing of it is imported."""
    return name in _find_entry_points()


def make_importable(found: FoundObjective) -> None:
    """Let this process and those that it starts import what lies beside a user's own file, for as long as they live.

    Otherwise that can be imported only while the file is read. Another process finds the file's own definitions, too,
    unless the file has changed: a data loader's workers unpickle its data set.
    """
    if found.origin == "file":
        finder = _build_finder(found.path, found.source_hash)
        finder.install()
        call_in_children(own_files.__file__, finder.to_json())


def _load_shipped(name: str) -> FoundObjective:
    module = importlib.import_module(f"{studies.__name__}.{name.replace('-', '_')}")
    path = _source_path(module)
    objective = _read_objective(module, ATTRIBUTE)
    declares = objective.build_model is None and objective.train is None
    source_hash = hash_declaration(objective) if declares else hash_file(path)
    return FoundObjective(
        name=parse_name(name), objective=objective, origin="shipped", source_hash=source_hash, path=path
    )


def _load_installed(point: EntryPoint) -> FoundObjective:
    """Import an installed objective under its own module name, so that its relative imports work everywhere."""
    try:
        module = importlib.import_module(point.module)
    except (Exception, SystemExit) as error:
        raise ObjectiveError(
            f"installed objective {point.name!r} ({point.value}) cannot be imported: {type(error).__name__}: {error}"
        ) from error
    return FoundObjective(
        name=parse_name(point.name),
        objective=_read_objective(module, point.attr or ATTRIBUTE),
        origin="installed",
        source_hash=hash_package(module),
        path=_source_path(module),
    )


def _load_file(path: Path) -> FoundObjective:
    if not os.path.isfile(path):  # unlike Path.is_file, False for names that no file can have
        raise ObjectiveError(f"there is no objective file {path}; {_suggest_file(path)}")
    path = path.resolve()
    if path.parent == Path(studies.__path__[0]).resolve():
        return _load_shipped(_to_dashes(path.stem))
    source_hash, files = hash_sources(path)
    finder = _build_finder(path, source_hash)
    if finder.name not in sys.modules:
        _execute_file(finder)
    objective = _read_objective(sys.modules[finder.name], ATTRIBUTE)
    return FoundObjective(
        name=parse_name(_to_dashes(path.stem)),
        objective=objective,
        origin="file",
        source_hash=source_hash,
        path=path,
        files=files,
    )


def _build_finder(path: Path, source_hash: str) -> OwnFilesFinder:
    # The name in sys.modules depends on the content alone, so that workers can unpickle what the file defines.
    stem = re.sub(r"\W", "_", path.stem)
    return OwnFilesFinder(name=f"_objective_{stem}_{source_hash[:12]}", path=str(path), source_hash=source_hash)


def _execute_file(finder: OwnFilesFinder) -> None:
    """Import an objective's file under the finder's name."""
    own_files.forget_imported()
    try:
        with finder:
            importlib.import_module(finder.name)
    except SystemExit as error:
        raise ObjectiveError(
            f"objective file {finder.path} cannot be read: it ends the program, with sys.exit({error.code!r}), when it "
            'is imported; put what parses arguments or may exit below `if __name__ == "__main__":`'
        ) from error
    except Exception as error:
        hint = ""
        if isinstance(error, ImportError) and "relative import" in str(error):
            hint = (
                "; import a module beside the file by its plain name, or install a package of several modules, with "
                f"an entry point of the group {ENTRY_POINTS}"
            )
        raise ObjectiveError(
            f"objective file {finder.path} cannot be read: {type(error).__name__}: {error}{hint}"
        ) from error


def _read_objective(module: ModuleType, attribute: str) -> Objective:
    objective = getattr(module, attribute, None)
    if not isinstance(objective, Objective):
        raise ObjectiveError(
            f"{_source_path(module)} defines no objective; it needs {attribute} = Objective(...) at its top level"
        )
    return objective


def _source_path(module: ModuleType) -> Path:
    return Path(module.__file__ or "")


def _find_entry_points() -> Mapping[str, EntryPoint]:
    return {point.name: point for point in importlib.metadata.entry_points(group=ENTRY_POINTS)}


def _shipped_names() -> list[str]:
    return [_to_dashes(module.name) for module in pkgutil.iter_modules(studies.__path__) if not module.ispkg]


def _to_dashes(stem: str) -> str:
    return stem.replace("_", "-")


def _suggest_file(path: Path) -> str:
    """Return the file beside it that may be meant, or the rule."""
    try:
        beside = [each.name for each in path.parent.glob("*.py")]
    except (OSError, ValueError):  # a name that no folder can have
        beside = []
    return suggest(path.name, beside, otherwise="name a Python file that defines OBJECTIVE")
