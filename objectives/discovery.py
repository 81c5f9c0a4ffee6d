"""Find objectives: shipped ones and installed ones by name, a user's own file by path.

A package ships an objective through an entry point of the group `depthsearch.objectives`, whose value is a module
(`my_package.study`, which defines OBJECTIVE) or an object in one (`my_package.study:SMALL`).
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import pkgutil
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from importlib.metadata import EntryPoint
from pathlib import Path
from types import CodeType, ModuleType
from typing import Literal, NewType

from objectives import studies
from objectives.base.errors import ObjectiveError, StopReading
from objectives.base.hashing import hash_file, hash_package
from objectives.core.declaration import hash_declaration
from objectives.core.objective import Objective
from spaces.suggestions import suggest_and_list

ENTRY_POINTS = "depthsearch.objectives"
LONGEST_NAME = 200
ATTRIBUTE = "OBJECTIVE"

ObjectiveName = NewType("ObjectiveName", str)
"""What `parse_name` has let pass: the name of an objective, which no code takes for the path of a file."""

_reading: ContextVar[bool] = ContextVar("reading", default=False)


@dataclass(frozen=True, kw_only=True)
class FoundObjective:
    """An objective, its name, and where it was found."""

    name: ObjectiveName
    objective: Objective
    origin: Literal["shipped", "installed", "file"]
    source_hash: str
    """SHA-256 of the source code that defines it: one file, or every module of an installed package. For one that
    ships with this package and brings no code of its own, `declared:` and a hash of what it declares: moving our code
    must not change what a study was created with."""
    path: Path
    """The file that defines it."""

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


def is_path(reference: str) -> bool:
    """Return whether a reference means a file, not a name."""
    return reference.endswith(".py") or "/" in reference


def parse_name(text: object) -> ObjectiveName:
    """Return a text as the name of an objective.

    Raises:
        ObjectiveError: it is the path of a file, or it cannot be a name.
    """
    shown = repr(text)[:100]
    if not isinstance(text, str):
        raise ObjectiveError(f"{shown} is not the name of an objective, which is a text")
    if is_path(text) or "\\" in text:
        raise ObjectiveError(f"{shown} is the path of a file, not the name of an objective")
    if not (text.isprintable() and text.strip() == text and 0 < len(text) <= LONGEST_NAME and text[0] not in ".-"):
        raise ObjectiveError(
            f"{shown} is not the name of an objective, which has 1 to {LONGEST_NAME} printable characters and begins "
            "with neither a dot nor a dash"
        )
    return ObjectiveName(text)


def is_installed(name: str) -> bool:
    """Return whether an installed package has an objective of this name; nothing of it is imported."""
    return name in _find_entry_points()


def stop_if_reading() -> None:
    """End the reading of an objective's file at the call of this function; do nothing outside of such a reading.

    A script may define an objective and then search it: a process that reads the objective from the script must not
    search it as well.
    """
    if _reading.get():
        raise StopReading


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
    except Exception as error:
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
        raise ObjectiveError(f"there is no objective file {path}")
    path = path.resolve()
    if path.parent == Path(studies.__path__[0]).resolve():
        return _load_shipped(_to_dashes(path.stem))
    source_hash = hash_file(path)
    # The name in sys.modules depends on the content alone, so that workers can unpickle what the file defines.
    name = f"_objective_{path.stem}_{source_hash[:12]}"
    if name not in sys.modules:
        _execute_file(name, path)
    objective = _read_objective(sys.modules[name], ATTRIBUTE)
    return FoundObjective(
        name=parse_name(_to_dashes(path.stem)), objective=objective, origin="file", source_hash=source_hash, path=path
    )


def _execute_file(name: str, path: Path) -> None:
    """Import a file as the module `name`."""
    loader = _UncachedLoader(name, str(path))
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    token = _reading.set(True)
    try:
        with contextlib.suppress(StopReading):
            loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        hint = ""
        if isinstance(error, ImportError) and "relative import" in str(error):
            hint = f"; install a package of several modules, with an entry point of the group {ENTRY_POINTS}"
        raise ObjectiveError(f"objective file {path} cannot be read: {type(error).__name__}: {error}{hint}") from error
    finally:
        _reading.reset(token)


class _UncachedLoader(SourceFileLoader):
    """A loader that always compiles the source.

    Cached bytecode is matched by date and size, and may belong to another text that was written in the same second.
    """

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


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
