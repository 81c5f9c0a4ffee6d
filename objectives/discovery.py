"""Finding objectives: shipped modules by name, installed ones by entry point, a user's own by path."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import pkgutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from objectives import studies
from objectives.base.errors import ObjectiveError
from objectives.core.objective import Objective
from spaces.suggestions import suggest_and_list

ENTRY_POINTS = "depthsearch.objectives"


@dataclass(frozen=True, kw_only=True)
class FoundObjective:
    """An objective, its name, and the SHA-256 of the source file that defines it."""

    name: str
    objective: Objective
    source_hash: str
    path: Path

    @property
    def is_shipped(self) -> bool:
        """Whether the objective came with this package."""
        return self.path.parent == Path(studies.__path__[0])


def objective_names() -> list[str]:
    """The names of all shipped and installed objectives."""
    shipped = [module.name for module in pkgutil.iter_modules(studies.__path__) if not module.ispkg]
    return sorted({*map(_dashed, shipped), *_entry_points()})


def find_objective(reference: str) -> FoundObjective:
    """The objective called `reference`, or the one in the file at that path.

    Raises:
        ObjectiveError: no such objective (with close matches), or its file does not define one.
    """
    if is_path(reference):
        return _from_path(Path(reference))
    entry_points = _entry_points()
    if reference in entry_points:
        return _from_module(reference, importlib.import_module(entry_points[reference]))
    known = objective_names()
    if reference not in known:
        raise ObjectiveError(
            f"unknown objective {reference!r}; {suggest_and_list(reference, known)}; or give the path of a file"
        )
    module = importlib.import_module(f"{studies.__name__}.{reference.replace('-', '_')}")
    return _from_module(reference, module)


def is_path(reference: str) -> bool:
    """Whether a reference means a file and not a name."""
    return reference.endswith(".py") or "/" in reference


def _from_path(path: Path) -> FoundObjective:
    if not os.path.isfile(path):  # of names that no file can have, too
        raise ObjectiveError(f"there is no objective file {path}")
    path = path.resolve()
    # A name of its own in sys.modules, so that worker processes can unpickle what the file defines.
    name = f"_objective_{path.stem}_{hash_file(path)[:12]}"
    if name not in sys.modules:
        loader = _Source(name, str(path))
        spec = importlib.util.spec_from_loader(name, loader)
        assert spec is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            loader.exec_module(module)
        except Exception as error:
            del sys.modules[name]
            raise ObjectiveError(f"objective file {path} cannot be read: {type(error).__name__}: {error}") from error
    return _from_module(_dashed(path.stem), sys.modules[name])


class _Source(SourceFileLoader):
    """Loads what the file says now.

    Bytecode is kept by date and size, and may be that of another text written in the same second.
    """

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


def _from_module(name: str, module: ModuleType) -> FoundObjective:
    objective = getattr(module, "OBJECTIVE", None)
    path = Path(module.__file__ or "")
    if not isinstance(objective, Objective):
        raise ObjectiveError(f"{path} defines no objective; it needs OBJECTIVE = Objective(...) at its top level")
    return FoundObjective(name=name, objective=objective, source_hash=hash_file(path), path=path)


def _entry_points() -> Mapping[str, str]:
    return {point.name: point.value for point in importlib.metadata.entry_points(group=ENTRY_POINTS)}


def hash_file(path: Path) -> str:
    """SHA-256 of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _dashed(stem: str) -> str:
    return stem.replace("_", "-")
