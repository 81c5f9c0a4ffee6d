"""The hook of the seal: refuses operations of this process on held-out paths.

Needs the standard library alone: each Python that a sealed process starts runs `start` before anything else.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Event

# Held out in every folder, as the test files of MNIST and similar data sets.
_PREFIXES = ("t10k-",)

# On a file system that ignores case, TEST is another name for test.
fold: Callable[[str], str] = str.casefold if sys.platform == "darwin" else str

_OPEN_FILES = "/proc/self/fd" if sys.platform == "linux" else "/dev/fd"

# Indices of an event's arguments: a path, and the descriptor of the directory that it starts from (None: not given).
_EVENTS: dict[str, tuple[tuple[int, int | None], ...]] = {
    "open": ((0, None),),
    "os.listdir": ((0, None),),
    "os.scandir": ((0, None),),
    "os.link": ((0, 2), (1, 3)),
    "os.rename": ((0, 2), (1, 3)),
    "os.symlink": ((1, 2),),
    "os.remove": ((0, 1),),
    "os.truncate": ((0, None),),
    "shutil.move": ((0, None), (1, None)),
    "shutil.copytree": ((0, None),),
}

# Events that would include a test set if they are given a folder that contains it.
_WHOLE_FOLDERS = frozenset({"os.rename", "shutil.move", "shutil.copytree"})


@dataclass(frozen=True, kw_only=True)
class SealedPaths:
    """What must not be opened, as plain strings, so that it can be sent to a worker.

    data_dirs: absolute; `<name>/test` is held out in each.
    paths: absolute; files, and folders with all their content.
    suffixes: endings of paths that are held out in every folder.
    """

    data_dirs: tuple[str, ...]
    paths: tuple[str, ...]
    suffixes: tuple[str, ...]

    def find_rule(self, path: str) -> str | None:
        """Return why an absolute, normalized path is held out, or None if it is not."""
        path = fold(path)
        if path.rpartition("/")[2].startswith(_PREFIXES) or path.endswith(self.suffixes):
            return "a file of this name is held out in every folder"
        for data_dir in self.data_dirs:
            if path.startswith(data_dir + "/") and path[len(data_dir) :].split("/", 3)[2:3] == ["test"]:
                return f"{data_dir}/<name>/test is the held-out part of a data set"
        for sealed in self.paths:
            if path == sealed or path.startswith(sealed + "/"):
                return f"{sealed} is held out"
        return None

    def to_json(self) -> Mapping[str, Sequence[str]]:
        """Return the argument of `start`, as short as it can be: an environment holds little."""
        rules = SealedPaths(data_dirs=self.data_dirs, paths=(), suffixes=self.suffixes)
        return {**vars(self), "paths": [path for path in self.paths if rules.find_rule(path) is None]}

    def may_contain_sealed(self, path: str) -> bool:
        """Return whether an absolute, normalized path is a folder that contains held-out files, or may do so."""
        path = fold(path)
        if os.path.dirname(path) in self.data_dirs:
            return os.path.isdir(path)
        return any(sealed.startswith(path + "/") for sealed in (*self.data_dirs, *self.paths)) or (
            path in self.data_dirs
        )


def add_hook(sealed: SealedPaths, lifted: Event | None = None) -> None:
    """Refuse held-out paths in this process from now on, and in the processes that it forks; see `seal.install`."""

    def refuse(event: str, path: str) -> None:
        rule = sealed.find_rule(path)
        if rule is None and event in _WHOLE_FOLDERS and sealed.may_contain_sealed(path):
            rule = "a folder that may contain a test set must not be moved or copied"
        if rule is not None:
            raise _refuse(f"{path} is sealed in this process: {rule}; only `search final` scores test sets")

    def check(event: str, args: tuple[object, ...]) -> None:
        for path_at, directory_at in _EVENTS[event]:
            directory = None if directory_at is None else args[directory_at]
            unknown_directory = event == "open" and args[1] is None
            for path in _resolve_paths(args[path_at], directory, unknown_directory):
                refuse(event, os.path.normpath(path))
                refuse(event, os.path.realpath(path))
        if event == "os.symlink":
            target = os.path.join(os.path.dirname(os.path.abspath(_to_text(args[1]))), _to_text(args[0]))
            refuse(event, os.path.realpath(target))

    def hook(event: str, args: tuple[object, ...]) -> None:
        if event in _EVENTS and not (lifted is not None and lifted.is_set()):
            check(event, args)

    sys.addaudithook(hook)


def start(argument: Mapping[str, Sequence[str]]) -> None:
    """Seal this process like the one that started it; the argument is `SealedPaths.to_json`."""
    add_hook(SealedPaths(**{name: tuple(values) for name, values in argument.items()}))


def _refuse(message: str) -> PermissionError:
    """Return the error to raise: `SealedTestSet`, unless this is a Python that has not got this package."""
    try:
        from objectives.data.files.errors import SealedTestSet
    except ImportError:
        return PermissionError(message)
    return SealedTestSet(message)


def _resolve_paths(path: object, directory: object, unknown_directory: bool) -> Iterator[str]:
    """Yield the absolute paths that an argument may mean; several only if the directory is unknown."""
    if isinstance(path, int):
        yield from _read_descriptor(path)
        return
    text = "." if path is None else _to_text(path)
    if os.path.isabs(text):
        yield text
        return
    if isinstance(directory, int) and directory >= 0:
        bases = list(_read_descriptor(directory))
    elif unknown_directory:
        # The event of os.open does not include its dir_fd, so any open directory may be meant.
        bases = [os.getcwd(), *_list_open_directories()]
    else:
        bases = [os.getcwd()]
    for base in bases:
        yield os.path.join(base, text)


def _to_text(path: object) -> str:
    return os.fsdecode(path)  # type: ignore[arg-type]


def _read_descriptor(descriptor: int) -> Iterator[str]:
    """Yield the path of an open file or directory, if it has one."""
    try:
        path = os.readlink(f"{_OPEN_FILES}/{descriptor}")
    except OSError:
        path = _read_macos_descriptor(descriptor)
    if path.startswith("/"):
        yield path


def _read_macos_descriptor(descriptor: int) -> str:
    import fcntl

    if not hasattr(fcntl, "F_GETPATH"):
        return ""
    try:
        return os.fsdecode(fcntl.fcntl(descriptor, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0"))
    except OSError:
        return ""


def _list_open_directories() -> Iterator[str]:
    for name in os.listdir(_OPEN_FILES):
        yield from (path for path in _read_descriptor(int(name)) if os.path.isdir(path))
