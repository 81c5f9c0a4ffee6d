"""The held-out part of a data set: the only module that opens its files; only the final step imports it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from objectives.data.cache import locate_training_part, prepare
from objectives.data.catalogue import find_dataset
from objectives.data.files.decode import decode
from objectives.data.files.decoded import Images, Labels, compute_fingerprint
from objectives.data.files.errors import UnreadableData
from objectives.data.files.folders import check_known_classes, list_images, scan_images
from objectives.data.files.layouts import ClassFolder, Location, locate
from objectives.data.files.prepared import Prepared
from objectives.data.sources.download import obtain
from objectives.data.splits.classes import NOT_CHOSEN, choose_classes, renumber


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldOut:
    """The test set, which is only held in memory.

    name: the data set's identity, the same for any of its classes. images: uint8, (N, height, width, channels), as in
    training. labels: int64, N, numbered as in training. fingerprint: SHA-256 of these pixels and labels and the class
    names, in hexadecimal.
    """

    name: str
    images: Images
    labels: Labels
    fingerprint: str


def open_heldout(
    name: str,
    data_dir: Path,
    cache_dir: Path,
    *,
    image_size: int | None = None,
    classes: Sequence[str] | None = None,
    trained: Prepared | None = None,
) -> HeldOut:
    """Read the held-out part of the data set whose training part `cache.prepare` returns for the same arguments.

    It is read in the layout of the training part, so that class folders are never mixed with a download. Missing
    files of a known data set are downloaded.

    Args:
        classes: the classes that were trained on, in that order, as in `examples.load`; examples of other classes are
            skipped. None for all classes.
        trained: the training part, if it has been prepared. If it is in groups, the held-out part may be, too.

    Raises:
        DataError: the held-out part is missing or unreadable, has a class that training does not have, images of
            another shape or no example of the chosen classes; or `classes` are impossible.
    """
    trained = trained or prepare(name, data_dir, cache_dir, image_size=image_size)
    chosen = choose_classes(name, trained.classes, classes)
    decoded = decode(
        _locate_held_out_part(name, data_dir, cache_dir),
        classes=trained.classes,
        channels=trained.image_shape[0],
        image_size=image_size,
        grouped=trained.grouped,
    )
    shape = (decoded.channels, decoded.height, decoded.width)
    if shape != trained.image_shape:
        raise UnreadableData(
            f"the held-out images of {name} have the shape {shape} (channels, height, width), but its training images "
            f"have {trained.image_shape}; set image_size to resize both"
        )
    return _select_classes(name, np.concatenate(list(decoded.blocks)), decoded.labels, trained.classes, chosen)


def check_heldout(
    name: str,
    data_dir: Path,
    cache_dir: Path,
    *,
    classes: Sequence[str] | None = None,
    trained: Prepared | None = None,
) -> None:
    """Check what can be known of the held-out part without opening one of its files; download those that are missing.

    classes, trained: as for `open_heldout`.

    Raises:
        DataError: the held-out part is missing, has an empty file, a class that training does not have or no example
            of the chosen classes; or `classes` are impossible.
    """
    trained = trained or prepare(name, data_dir, cache_dir)
    chosen = choose_classes(name, trained.classes, classes)
    location = _locate_held_out_part(name, data_dir, cache_dir)
    files = location.files()
    if isinstance(location.layout, ClassFolder):
        folder = files[0]
        images = list_images(folder, grouped=trained.grouped)
        check_known_classes(folder, images, trained.classes)
        if not set(images) & set(chosen):
            raise _no_example(name, chosen)
        files = [folder / path for path, _, _ in scan_images(folder, grouped=trained.grouped)]
    for file in files:
        if file.stat().st_size == 0:
            raise UnreadableData(f"{file} is empty; provide it again, or remove it")


def _no_example(name: str, chosen: tuple[str, ...]) -> UnreadableData:
    return UnreadableData(f"the held-out part of {name} has no example of {', '.join(chosen)}")


def _select_classes(
    name: str, images: Images, labels: Labels, known: tuple[str, ...], chosen: tuple[str, ...]
) -> HeldOut:
    """Return the examples of the chosen classes, renumbered."""
    labels = renumber(labels, known, chosen)
    kept = labels != NOT_CHOSEN
    if not kept.any():
        raise _no_example(name, chosen)
    if not kept.all():
        images, labels = images[kept], labels[kept]
    images_sha256 = hashlib.sha256(images.data).hexdigest()
    return HeldOut(
        name=name,
        images=images,
        labels=labels,
        fingerprint=compute_fingerprint(images_sha256, labels, chosen, images.shape),
    )


def _locate_held_out_part(name: str, data_dir: Path, cache_dir: Path) -> Location:
    dataset = find_dataset(name, data_dir)
    training = locate_training_part(dataset, data_dir, cache_dir).layout
    layout = dataset.held_out_layouts[dataset.training_layouts.index(training)]
    found = locate(layout, data_dir=data_dir, cache_dir=cache_dir)
    if not found.exists():
        source = None if isinstance(layout, ClassFolder) else dataset.held_out_source
        obtain(f"the held-out part of {name}", source, [found], data_dir=data_dir, cache_dir=cache_dir)
    return found
