"""The seal: keeps a process, and every Python process that it starts, from opening held-out files.

It is an audit hook, which Python cannot remove. It sees what Python itself opens, lists, links, renames and removes,
by any path that leads there: relative, bytes, through symbolic links or an open directory. It does not see files that
C and C++ code opens (`torchvision.io.read_file`, `torch.from_file`), hard links and copies, memory maps and files
opened before it was installed, or other programs; docs/seal.md has a list, and `hiding` closes most of these ways. It
protects from mistakes, not from somebody who wants to get around it.
"""

import multiprocessing
import os
import sys
from pathlib import Path
from threading import Event

from objectives.data import seal_hook
from objectives.data.catalogue import DATASETS, find_own_names
from objectives.data.files.layouts import ArrayFile, CifarBatches, ClassFolder, IdxFiles, Layout, locate
from objectives.data.seal_hook import SealedPaths, fold
from objectives.data.sources import digits
from objectives.data.sources.remotes import RemoteArchive
from objectives.importing.children import call_in_children

# Held out in every folder: the test files of CIFAR-10, and scikit-learn's digits.
_SUFFIXES = ("/test_batch", "/digits.csv.gz", Path(digits.HELD_OUT_FILE).name)


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
        suffixes=tuple(map(fold, (*_SUFFIXES, *sorted(suffixes)))),
    )


def list_held_out(data_dir: Path, cache_dir: Path) -> list[str]:
    """Return the held-out files and folders that are there, as absolute paths without symbolic links; none in another.

    Unlike what is sealed, copies of known names in other folders are not among them.
    """
    sealed = find_sealed_paths(data_dir, cache_dir)
    known = (f"{folder}{end}" for folder in sealed.data_dirs for end in sealed.suffixes)
    others = (str(path) for pattern in ("*/test", "*/raw/t10k-*") for path in data_dir.glob(pattern))
    there = {os.path.realpath(path) for path in (*sealed.paths, *known, *others, *digits.list_bundled_files())}
    return sorted(path for path in there if os.path.exists(path) and there.isdisjoint(map(str, Path(path).parents)))


def install(sealed: SealedPaths, lifted: Event | None = None) -> None:
    """Refuse held-out paths from now on in this process, and in each Python process that it starts in any way.

    A refused operation raises `SealedTestSet`, which names the path and the rule.

    lifted: this process has no seal while it is set; for the final step, which trains and predicts sealed and only
    reads the test images in between. A worker's seal is never lifted, nor is one in a process that a sealed one starts.
    """
    seal_hook.add_hook(sealed, lifted)
    call_in_children(seal_hook.__file__, sealed.to_json())
    if sys.platform == "linux":
        # The processes of a data loader inherit the hook, and everything else, with no import.
        multiprocessing.set_start_method("fork", force=True)


def _list_spellings(path: Path) -> tuple[str, ...]:
    """Return a path as it is written, and with its symbolic links resolved if that differs."""
    return tuple(dict.fromkeys(fold(text) for text in (os.path.abspath(path), os.path.realpath(path))))


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
