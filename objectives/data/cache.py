"""Decodes a data set once into one array on disk and finds it again.

The folder is named by a hash of what a look at the source tells without opening it: relative paths, sizes,
dates. It is built under a hidden name and renamed when whole, under a lock, so that several processes decode
it once between them.
"""

import contextlib
import fcntl
import hashlib
import json
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from objectives.data.catalogue import Dataset, find_dataset
from objectives.data.files import prepared as prepared_folder
from objectives.data.files.decode import decode
from objectives.data.files.decoded import Decoded, Progress
from objectives.data.files.errors import CacheError, DataError, UnreadableData
from objectives.data.files.folders import scan_images
from objectives.data.files.layouts import ClassFolder, Location, locate
from objectives.data.files.prepared import Prepared
from objectives.data.sources.download import obtain

# Changes when the same source would be decoded to other bytes or files.
_FORMAT = 1


def prepare(
    name: str,
    data_dir: Path,
    cache_dir: Path,
    *,
    image_size: int | None = None,
    progress: Progress | None = None,
) -> Prepared:
    """The decoded training part of a data set, decoded now where that has not been done.

    name: a name of `catalogue.DATASETS`, or of a folder of the user's own under `data_dir`.
    data_dir: where data sets lie, and are downloaded to. cache_dir: where the decoded copy is kept.
    image_size: pixels; resizes every image's shorter side and crops the centre; None leaves the images as
    they are.
    progress: called with the numbers of images done and in all, while decoding.

    Raises DataError: the data set is unknown, missing or unreadable, or the copy cannot be written.
    """
    dataset = find_dataset(name, data_dir)
    source = locate_training_part(dataset, data_dir, cache_dir)
    key = hashlib.sha256(json.dumps(_signature(name, source, image_size)).encode()).hexdigest()[:16]
    folder = cache_dir / "data" / f"{name}-{key}"
    found = prepared_folder.read(folder)
    if found is not None:
        return found
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _locked(folder.with_name(f".{folder.name}.lock")) as alone:
            return prepared_folder.read(folder) or _build(folder, dataset, source, image_size, progress, alone)
    except DataError:
        raise
    except OSError as error:
        raise CacheError(
            f"{name} cannot be kept decoded under {cache_dir} ({error.strerror or error}): free the space "
            f"or name "
            "another cache folder."
        ) from error


def locate_training_part(dataset: Dataset, data_dir: Path, cache_dir: Path) -> Location:
    """Where the training part lies; what is missing is obtained first.

    Raises MissingData: it lies in no layout, and could not be had.
    """
    places = [locate(layout, data_dir=data_dir, cache_dir=cache_dir) for layout in dataset.training_layouts]
    if not any(place.present() for place in places):
        obtain(dataset.name, dataset.training_source, places, data_dir=data_dir, cache_dir=cache_dir)
    return next(place for place in places if place.present())


def _signature(name: str, source: Location, image_size: int | None) -> list[object]:
    """What tells one state of the source from another without opening a file."""
    files = source.files()
    if isinstance(source.layout, ClassFolder):
        seen = scan_images(files[0])
    else:
        seen = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return [_FORMAT, name, type(source.layout).__name__, image_size, seen]


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Waits for the lock of `path`; gives False where the file system has no locks."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:
            yield False
        else:
            yield True


def _build(
    folder: Path,
    dataset: Dataset,
    source: Location,
    image_size: int | None,
    progress: Progress | None,
    alone: bool,
) -> Prepared:
    """Decodes into a hidden folder beside `folder` and renames it; `alone`: remove what a crash left."""
    in_folders = isinstance(source.layout, ClassFolder)
    decoded = decode(source, classes=None if in_folders else dataset.classes, image_size=image_size)
    _check_classes(dataset, decoded, source)
    check_space(folder.parent, decoded)
    if alone:
        for left_over in folder.parent.glob(f".{folder.name}.*.part"):
            shutil.rmtree(left_over, ignore_errors=True)
    part = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.part")
    part.mkdir()
    try:
        prepared_folder.write(part, dataset.name, decoded, progress)
        _publish(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    result = prepared_folder.read(folder)
    if result is None:
        raise CacheError(f"{folder} was changed by another process while it was written: run the command again.")
    return result


def _publish(part: Path, folder: Path) -> None:
    try:
        part.rename(folder)
    except OSError:
        if prepared_folder.read(folder) is None:
            shutil.rmtree(folder)
            part.rename(folder)


def _check_classes(dataset: Dataset, decoded: Decoded, source: Location) -> None:
    """A known name stands for one test set, so folders of another set must not go by it."""
    found, where = len(decoded.classes), source.files()[0]
    if dataset.classes is not None and found != len(dataset.classes):
        raise UnreadableData(
            f"{dataset.name} has {len(dataset.classes)} classes, but {where} has {found}: "
            "give the folder a name of its own to make it another data set."
        )
    if len(np.unique(decoded.labels)) < 2:
        raise UnreadableData(f"{where} holds a single class, and there must be at least two to tell apart.")


def check_space(folder: Path, decoded: Decoded) -> None:
    """Raises CacheError where `folder` has not the space for the decoded images."""
    needed = len(decoded.labels) * (decoded.height * decoded.width * decoded.channels + 8)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise CacheError(
            f"The decoded images need {needed / 2**20:,.0f} MiB under {folder}, but {free / 2**20:,.0f} MiB "
            f"are free: "
            "free the space or name another cache folder."
        )
