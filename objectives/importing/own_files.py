"""A user's objective file and the modules beside it: which files these are, their hash, and how they are imported.

Needs the standard library alone: processes that a trial starts run `start` before they import anything else.
"""

from __future__ import annotations

import ast
import hashlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    PathFinder,
    SourceFileLoader,
)
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType

# A file beside the objective takes the place of neither.
NEVER_BESIDE = sys.stdlib_module_names | {"objectives", "search", "spaces", "storage"}


def list_sources(path: Path) -> dict[str, Path]:
    """Return the files that an objective file consists of, by their paths from its folder; its own comes first.

    These are the modules beside it that one of them imports anywhere, in a function as well, and of a package beside
    it every module, imported or not.
    """
    found = {path.name: path}
    waiting = [path]
    while waiting:
        file = waiting.pop()
        for name in _list_imported_names(file, path.parent):
            for source in _find_beside(path.parent, name.split(".")):
                key = source.relative_to(path.parent).as_posix()
                if key not in found:
                    found[key] = source
                    waiting.append(source)
    return found


def hash_sources(path: Path) -> tuple[str, dict[str, str]]:
    """Return the SHA-256 of an objective file and the modules beside it, and that of each file by its name.

    A file that imports nothing beside it has the hash of its content alone.
    """
    files = {name: hashlib.sha256(source.read_bytes()).hexdigest() for name, source in list_sources(path).items()}
    if len(files) == 1:
        return files[path.name], files
    digest = hashlib.sha256(files[path.name].encode())
    for name in sorted(files.keys() - {path.name}):
        digest.update(f"\n{name}\0{files[name]}".encode())
    return digest.hexdigest(), files


def _list_imported_names(file: Path, folder: Path) -> Iterator[str]:
    """Yield the full name of everything that a file imports, wherever the statement stands."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):  # importing it reports the error
        return
    package = file.parent.relative_to(folder).parts
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            around = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*around, *filter(None, [node.module])))
            yield from (f"{module}.{alias.name}" if module else alias.name for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value


def _find_beside(folder: Path, parts: Sequence[str]) -> Iterator[Path]:
    """Yield the sources that importing this name runs or may run, as far as they lie in the folder."""
    if parts[0] in NEVER_BESIDE or not all(part.isidentifier() for part in parts):
        return
    for part in parts:
        if (folder / part / "__init__.py").is_file():
            yield from (file for file in sorted((folder / part).rglob("*.py")) if file.is_file())
            return
        if (folder / f"{part}.py").is_file():
            yield folder / f"{part}.py"
            return
        folder = folder / part  # a namespace package, if it is there


class UncachedLoader(SourceFileLoader):
    """A loader that always compiles the source.

    Cached bytecode is matched by date and size, and may belong to another text that was written in the same second.
    """

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


class ObjectiveLoader(UncachedLoader):
    """A loader of an objective's own file, of which a search at its end is no part."""

    def exec_module(self, module: ModuleType) -> None:
        from objectives.importing.reading import reading

        with reading():
            super().exec_module(module)


@dataclass(frozen=True, kw_only=True)
class OwnFilesFinder(MetaPathFinder):
    """Finds an objective's file under the name that its content gives it, and the modules beside it under theirs.

    The standard library, this program's packages and what has been imported come before a file of the same name.
    """

    name: str
    path: str
    source_hash: str

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how to import a module, or None if it is neither the objective nor beside it.

        Raises:
            ImportError: the objective's file, or one beside it, is not what it was.
        """
        if fullname == self.name:
            if hash_sources(Path(self.path))[0] != self.source_hash:
                raise ImportError(f"{self.path}, or a module beside it, has changed since it was read", name=fullname)
            return spec_from_file_location(fullname, self.path, loader=ObjectiveLoader(fullname, self.path))
        if fullname.partition(".")[0] in NEVER_BESIDE:
            return None
        folder = os.path.dirname(self.path)
        for entry in [folder] if path is None else path:
            if entry == folder or entry.startswith(folder + os.sep):
                spec = _find_in(entry, fullname)
                if spec is not None:
                    return spec
        return None

    def __enter__(self) -> None:
        self.install()

    def __exit__(self, *_: object) -> None:
        sys.meta_path.remove(self)

    def install(self) -> None:
        """Find these modules from now on, before others of the same names."""
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def to_json(self) -> Mapping[str, str]:
        """Return the argument of `start`."""
        return vars(self)


def _find_in(folder: str, name: str) -> ModuleSpec | None:
    details = (UncachedLoader, SOURCE_SUFFIXES), (ExtensionFileLoader, EXTENSION_SUFFIXES)
    spec = FileFinder(folder, *details).find_spec(name)
    # Any folder is a namespace package: one called `torch` must not take the place of an installed package.
    if spec is not None and spec.loader is None and "." not in name and PathFinder.find_spec(name) is not None:
        return None
    return spec


def forget_imported() -> None:
    """Forget the modules that were imported beside an objective, so that the next one imports its own as they are."""
    for name, module in list(sys.modules.items()):
        loader = getattr(getattr(module, "__spec__", None), "loader", None)
        if isinstance(loader, UncachedLoader) and not isinstance(loader, ObjectiveLoader):
            del sys.modules[name]


def start(argument: Mapping[str, str]) -> None:
    """Let this process import what its parent imports; the argument is a finder's `to_json`."""
    OwnFilesFinder(**argument).install()
