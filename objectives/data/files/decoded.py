"""The decoded form of every layout (labels, class names and image blocks), and the hash of its content."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from objectives.data.files.errors import UnreadableData

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Decoded:
    """One part of a data set, whose images have not been read yet.

    labels: int64, N. classes: names in the order of the labels. height, width: pixels. channels: 1 or 3.
    blocks: the N images in order, as uint8 arrays (n, height, width, channels); can be iterated once.
    groups: the name of each image's group, empty for an image in none; None if images are not grouped.
    validation: how many of the images, the last ones, their owner has set apart for validation.
    """

    labels: Labels
    classes: tuple[str, ...]
    height: int
    width: int
    channels: int
    blocks: Iterator[Images]
    groups: tuple[str, ...] | None = None
    validation: int = 0


def compute_fingerprint(
    images_sha256: str,
    labels: Labels,
    classes: tuple[str, ...],
    shape: tuple[int, ...],
    *,
    groups: Labels | None = None,
    validation: int = 0,
) -> str:
    """Return the SHA-256 of the decoded content, which does not depend on the machine or the files' names and dates.

    images_sha256: hash of all pixels in order. shape: (N, height, width, channels). groups: int64, N, the number of
    each image's group. validation: how many of the images, the last ones, are set apart for validation.
    """
    content: dict[str, object] = {
        "classes": classes,
        "images": images_sha256,
        "labels": _hash_numbers(labels),
        "shape": shape,
    }
    if groups is not None:
        content["groups"] = _hash_numbers(groups)
    if validation:
        content["validation"] = validation
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _hash_numbers(numbers: Labels) -> str:
    return hashlib.sha256(np.ascontiguousarray(numbers, dtype="<i8").tobytes()).hexdigest()


def check_labels(labels: Labels, classes: tuple[str, ...], examples: int, path: Path) -> Labels:
    """Return the labels of `path` if there is one for each image and each is the number of a class.

    Raises:
        UnreadableData: otherwise.
    """
    if len(labels) != examples:
        raise UnreadableData(f"{path} must have one label for each image, but has {len(labels)} for {examples} images")
    if len(labels) == 0:
        raise UnreadableData(f"{path} has no examples")
    low, high = int(labels.min()), int(labels.max())
    if not 0 <= low <= high < len(classes):
        raise UnreadableData(
            f"0 <= label < {len(classes)} must hold in {path}, but its labels are from {low} to {high}"
        )
    return labels
