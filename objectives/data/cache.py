"""The decoded copy of a data set: made once, as one array on disk, and found again.

Its folder is named by a hash of what can be seen of the source without opening it: relative paths, sizes, dates. It
is built under a hidden name and renamed when it is complete, under a lock, so that of several processes only one
decodes. Whoever finds it compares its content with its fingerprint, once; a copy that was changed is decoded again.
"""

import contextlib
import fcntl
import hashlib
import json
import logging
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from objectives.data.catalogue import Dataset, find_dataset
from objectives.data.files import prepared as prepared_folder
from objectives.data.files.decode import decode
from objectives.data.files.decoded import Decoded, Progress
from objectives.data.files.errors import CacheError, DataError, MissingData, UnreadableData
from objectives.data.files.folders import check_grouped, scan_images
from objectives.data.files.layouts import ClassFolder, Location, locate
from objectives.data.files.prepared import Prepared, Stamp
from objectives.data.files.validation_folder import FOLDER as VALIDATION_FOLDER
from objectives.data.files.validation_folder import add_validation, find_validation_folder
from objectives.data.sources.download import obtain

# Must change whenever the same source would be decoded to other bytes or files.
_FORMAT = 2

_log = logging.getLogger(__name__)


def prepare(
    name: str,
    data_dir: Path,
    cache_dir: Path,
    *,
    image_size: int | None = None,
    progress: Progress | None = None,
    checked: Stamp | None = None,
    validation_folder: bool | None = None,
    grouped: bool = False,
) -> Prepared:
    """Return the decoded training part of a data set; download and decode it if that has not been done yet.

    Args:
        name: a name in `catalogue.DATASETS`, or that of the user's own folder under `data_dir`.
        data_dir: where data sets are, and are downloaded to.
        cache_dir: where the decoded copy is kept.
        image_size: pixels; every image's shorter side is resized to it and the centre is cropped; None for the
            images as they are.
        progress: called while decoding, with the number of images done and the number of all images.
        checked: the stamp of a copy whose content was compared already, by this process or the one that started it.
        validation_folder: whether the images of val/, beside train/, belong to it; None if there is such a folder.
        grouped: whether images are in `<class>/<group>/*`.

    Raises:
        DataError: the data set is unknown, missing or unreadable, or the copy cannot be written.
    """
    dataset = find_dataset(name, data_dir)
    training = locate_training_part(dataset, data_dir, cache_dir)
    source = _Source(training=training, validation=_find_validation(training, validation_folder), grouped=grouped)
    key = hashlib.sha256(json.dumps(_describe_source(name, source, image_size)).encode()).hexdigest()[:16]
    folder = cache_dir / "data" / f"{name}-{key}"
    found = _find(folder, checked)
    if found is not None:
        return found
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _lock(folder.with_name(f".{folder.name}.lock")) as locked:
            return _find(folder, None) or _build(folder, dataset, source, image_size, progress, locked)
    except DataError:
        raise
    except OSError as error:
        raise CacheError(
            f"the decoded copy of {name} cannot be written to {cache_dir} ({error.strerror or error}); free space "
            "there, or use another cache folder"
        ) from error


@dataclass(frozen=True, kw_only=True)
class _Source:
    """What a copy is decoded from: the training part, the folder of validation images, and how they are laid out.

    Raises:
        UnreadableData: it is to have groups, but is not in class folders.
    """

    training: Location
    validation: Path | None
    grouped: bool

    def __post_init__(self) -> None:
        if self.grouped and not isinstance(self.training.layout, ClassFolder):
            raise UnreadableData(
                f"--group-by folder needs class folders, train/<class>/<group>/*, but this data set is read from "
                f"{self.training.describe()}; leave --group-by out"
            )


def _find_validation(training: Location, wanted: bool | None) -> Path | None:
    folder = None if wanted is False else find_validation_folder(training)
    if wanted and folder is None:
        missing = training.files()[0].with_name(VALIDATION_FOLDER)
        raise MissingData(f"{missing}, whose images the study is validated on, is not there; restore it")
    return folder


def find_validation(name: str, data_dir: Path, cache_dir: Path) -> Path | None:
    """Return the folder of validation images of a data set; None if it has none.

    Raises:
        DataError: the data set is unknown or missing, or the folder leads to the test part.
    """
    return find_validation_folder(locate_training_part(find_dataset(name, data_dir), data_dir, cache_dir))


def _find(folder: Path, checked: Stamp | None) -> Prepared | None:
    """Return the copy in `folder`; None if there is none, or another content than its fingerprint says."""
    found = prepared_folder.read(folder)
    if found is None or found.stamp == checked or found.compute_fingerprint() == found.fingerprint:
        return found
    return None


def locate_training_part(dataset: Dataset, data_dir: Path, cache_dir: Path) -> Location:
    """Return where the training part is; download it first if it is missing.

    Raises:
        MissingData: it is in none of the layouts, and could not be downloaded.
    """
    locations = [locate(layout, data_dir=data_dir, cache_dir=cache_dir) for layout in dataset.training_layouts]
    if not any(location.exists() for location in locations):
        obtain(dataset.name, dataset.training_source, locations, data_dir=data_dir, cache_dir=cache_dir)
    return next(location for location in locations if location.exists())


def find_missing_test_folder(name: str, data_dir: Path, cache_dir: Path) -> Path | None:
    """Return where the test images of class folders must be, if that folder does not exist; nothing is looked at in it.

    None for a data set in another layout: its test files are downloaded when they are needed.
    """
    dataset = find_dataset(name, data_dir)
    training = locate_training_part(dataset, data_dir, cache_dir).layout
    layout = dataset.held_out_layouts[dataset.training_layouts.index(training)]
    location = locate(layout, data_dir=data_dir, cache_dir=cache_dir)
    return location.files()[0] if isinstance(layout, ClassFolder) and not location.exists() else None


def _describe_source(name: str, source: _Source, image_size: int | None) -> list[object]:
    """Return what tells one state of the source from another without opening a file."""
    files, layout = source.training.files(), source.training.layout
    if isinstance(layout, ClassFolder):
        seen = scan_images(files[0], grouped=source.grouped)
    else:
        seen = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    state: list[object] = [_FORMAT, name, type(layout).__name__, image_size, seen]
    if source.grouped:
        state.append("grouped")
    return state if source.validation is None else [*state, scan_images(source.validation, grouped=source.grouped)]


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[bool]:
    """Wait for the lock of `path` and hold it within the block; yield False if the file system has no locks."""
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
    source: _Source,
    image_size: int | None,
    progress: Progress | None,
    locked: bool,
) -> Prepared:
    """Decode into a hidden folder next to `folder` and rename it; if `locked`, remove what a crash left first."""
    training, grouped = source.training, source.grouped
    in_folders = isinstance(training.layout, ClassFolder)
    if grouped:
        check_grouped(training.files()[0])
    decoded = decode(training, classes=None if in_folders else dataset.classes, image_size=image_size, grouped=grouped)
    _check_classes(dataset, decoded, training)
    if source.validation is not None:
        decoded = add_validation(decoded, source.validation, image_size)
    check_space(folder.parent, decoded)
    if locked:
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
        raise CacheError(f"{folder} was changed by another process while it was written; run the command again")
    return result


def _publish(part: Path, folder: Path) -> None:
    try:
        part.rename(folder)
    except OSError:
        if _find(folder, None) is None:
            shutil.rmtree(folder)
            part.rename(folder)
            _log.warning(
                "the decoded copy %s had been changed or damaged, and was decoded again from its source", folder
            )


def _check_classes(dataset: Dataset, decoded: Decoded, source: Location) -> None:
    """Raise `UnreadableData` for class folders that cannot be this data set: a known name stands for one test set."""
    found, where = len(decoded.classes), source.files()[0]
    if dataset.classes is not None and found != len(dataset.classes):
        raise UnreadableData(
            f"{dataset.name} has {len(dataset.classes)} classes, but {where} has {found}; "
            "rename the folder to make it another data set"
        )
    if len(np.unique(decoded.labels)) < 2:
        raise UnreadableData(f"{where} has a single class, but there must be at least two; add another class folder")


def check_space(folder: Path, decoded: Decoded) -> None:
    """Raise `CacheError` if `folder` does not have the space for the decoded images."""
    needed = len(decoded.labels) * (decoded.height * decoded.width * decoded.channels + 8)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise CacheError(
            f"the decoded images need {needed / 2**20:,.0f} MiB under {folder}, but {free / 2**20:,.0f} MiB "
            "are free; free space there, or use another cache folder"
        )
