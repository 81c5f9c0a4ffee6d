"""The held-out part of a data set: the only module that opens its files, imported by the final step alone."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from objectives.data.cache import prepare, training_place
from objectives.data.catalogue import find
from objectives.data.decode import decode
from objectives.data.decoded import fingerprint
from objectives.data.download import obtain
from objectives.data.errors import UnreadableData
from objectives.data.layouts import ClassFolder, Place, place
from objectives.data.prepared import Prepared


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldOut:
    """The test set, in memory and nowhere else.

    name: the data set's identity. images: uint8, (N, height, width, channels), as the training images.
    labels: int64, N, numbered as in training. fingerprint: SHA-256 of pixels, labels and class names, in
    hexadecimal.
    """

    name: str
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    fingerprint: str


def open_heldout(name: str, data_dir: Path, cache_dir: Path, *, image_size: int | None = None) -> HeldOut:
    """Reads the held-out part of the data set whose training part `cache.prepare` gives for the same
    arguments.

    It is read in the layout of the training part: class folders are not mixed with a download. Files of a
    known data set that are missing are downloaded.

    Raises DataError: the held-out part is missing or unreadable, has a class that training has not, or images
    of another shape.
    """
    trained = prepare(name, data_dir, cache_dir, image_size=image_size)
    decoded = decode(
        _held_out_place(name, data_dir, cache_dir),
        classes=trained.classes,
        channels=trained.image_shape[0],
        image_size=image_size,
    )
    shape = (decoded.channels, decoded.height, decoded.width)
    if shape != trained.image_shape:
        raise UnreadableData(
            f"The held-out images of {name} have the shape {shape} (channels, height, width), but its "
            f"training images "
            f"have {trained.image_shape}: set image_size to resize both."
        )
    images = np.concatenate(list(decoded.blocks))
    return HeldOut(
        name=name,
        images=images,
        labels=decoded.labels,
        fingerprint=_fingerprint(images, decoded.labels, trained),
    )


def _held_out_place(name: str, data_dir: Path, cache_dir: Path) -> Place:
    dataset = find(name, data_dir)
    training = training_place(dataset, data_dir, cache_dir).layout
    layout = dataset.held_out_layouts[dataset.training_layouts.index(training)]
    found = place(layout, data_dir=data_dir, cache_dir=cache_dir)
    if not found.present():
        source = None if isinstance(layout, ClassFolder) else dataset.held_out_source
        obtain(f"The held-out part of {name}", source, [found], data_dir=data_dir, cache_dir=cache_dir)
    return found


def _fingerprint(images: NDArray[np.uint8], labels: NDArray[np.int64], trained: Prepared) -> str:
    return fingerprint(hashlib.sha256(images.data).hexdigest(), labels, trained.classes, images.shape)
