"""The seal: an audit hook, which Python cannot remove, that keeps a process from opening held-out files.

It sees what Python itself opens, lists, links, renames and removes, by any path that leads there: relative, bytes,
through symbolic links or an open directory. It does not see files that C and C++ code opens
(`torchvision.io.read_file`, `torch.from_file`), hard links, memory maps and files opened before it was installed, or
other programs. It protects from mistakes, not from somebody who wants to get around it.
"""

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from objectives.data.catalogue import DATASETS, find_own_names
from objectives.data.files.errors import SealedTestSet
from objectives.data.files.layouts import ArrayFile, CifarBatches, ClassFolder, IdxFiles, Layout, locate
from objectives.data.sources import digits
from objectives.data.sources.remotes import RemoteArchive

# Held out in every folder: the test files of MNIST and similar data sets and of CIFAR-10, and scikit-learn's digits.
_PREFIXES = ("t10k-",)
_SUFFIXES = ("/test_batch", "/digits.csv.gz", Path(digits.HELD_OUT_FILE).name)

# On a file system that ignores case, TEST is another name for test.
_fold: Callable[[str], str] = str.casefold if sys.platform == "darwin" else str

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
        path = _fold(path)
        if path.rpartition("/")[2].startswith(_PREFIXES) or path.endswith(self.suffixes):
            return "a file of this name is held out in every folder"
        for data_dir in self.data_dirs:
            if path.startswith(data_dir + "/") and path[len(data_dir) :].split("/", 3)[2:3] == ["test"]:
                return f"{data_dir}/<name>/test is the held-out part of a data set"
        for sealed in self.paths:
            if path == sealed or path.startswith(sealed + "/"):
                return f"{sealed} is held out"
        return None

    def may_contain_sealed(self, path: str) -> bool:
        """Return whether an absolute, normalized path is a folder that contains held-out files, or may do so."""
        path = _fold(path)
        if os.path.dirname(path) in self.data_dirs:
            return os.path.isdir(path)
        return any(sealed.startswith(path + "/") for sealed in (*self.data_dirs, *self.paths)) or (
            path in self.data_dirs
        )


def find_sealed_paths(data_dir: Path, cache_dir: Path) -> SealedPaths:
    """Return the held-out part of every data set that is, or may later be, under these folders."""
    layouts = [layout for dataset in DATASETS.values() for layout in dataset.held_out_layouts]
    layouts += [ClassFolder(folder=f"{name}/test") for name in find_own_names(data_dir)]
    files = [file for layout in layouts for file in locate(layout, data_dir=data_dir, cache_dir=cache_dir).files()]
    archives = [
        dataset.held_out_source.file.name
        for dataset in DATASETS.values()
        if isinstance(dataset.held_out_source, RemoteArchive)
    ]
    suffixes = {end for layout in layouts for end in _list_suffixes(layout)} | {f"/{name}" for name in archives}
    return SealedPaths(
        data_dirs=_list_spellings(data_dir),
        paths=tuple(dict.fromkeys(path for file in files for path in _list_spellings(file))),
        suffixes=tuple(map(_fold, (*_SUFFIXES, *sorted(suffixes)))),
    )


def install(sealed: SealedPaths, lifted: Event | None = None) -> None:
    """Refuse held-out paths in this process from now on, and in the processes that it forks.

    A refused operation raises `SealedTestSet`, which names the path and the rule.

    lifted: there is no seal while it is set; for the final step, which trains and predicts sealed and only reads the
    test images in between. A worker's seal is never lifted.
    """

    def refuse(event: str, path: str) -> None:
        rule = sealed.find_rule(path)
        if rule is None and event in _WHOLE_FOLDERS and sealed.may_contain_sealed(path):
            rule = "a folder that may contain a test set must not be moved or copied"
        if rule is not None:
            raise SealedTestSet(f"{path} is sealed in this process: {rule}; only `search final` scores test sets")

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


def _list_spellings(path: Path) -> tuple[str, ...]:
    """Return a path as it is written, and with its symbolic links resolved if that differs."""
    return tuple(dict.fromkeys(_fold(text) for text in (os.path.abspath(path), os.path.realpath(path))))


def _list_suffixes(layout: Layout) -> tuple[str, ...]:
    """Return the endings of paths that identify a layout's files in every folder; class folders have none."""
    match layout:
        case IdxFiles(folder=folder, images=images, labels=labels):
            return tuple(f"/{folder}/{name}{end}" for name in (images, labels) for end in ("", ".gz"))
        case CifarBatches(folder=folder, files=files):
            return tuple(f"/{folder}/{name}" for name in files)
        case ArrayFile(file=file):
            return (f"/{file}",)
        case ClassFolder():
            return ()
