"""A data set decoded on disk: three files in a folder of their own, which every worker maps."""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

import numpy as np
from numpy.typing import NDArray

from objectives.data.files.decoded import Decoded, Progress, fingerprint

IMAGES_FILE = "images.npy"
LABELS_FILE = "labels.npy"
META_FILE = "meta.json"


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """The decoded training part of a data set; plain values, so that it can be sent to another process.

    folder: absolute, holds images.npy, labels.npy and meta.json.
    name: the data set's identity.
    fingerprint: SHA-256 of pixels, labels and class names, in hexadecimal; the same wherever the content is
    the same.
    classes: names in the order of the labels.
    examples: how many there are.
    image_shape: (channels, height, width).
    """

    folder: Path
    name: str
    fingerprint: str
    classes: tuple[str, ...]
    examples: int
    image_shape: tuple[int, int, int]

    def images(self, *, writable: bool = False) -> NDArray[np.uint8]:
        """All images, (N, height, width, channels), mapped from disk: one copy for all processes.

        writable: what is written to the array stays in it (copy on write); torch wants its memory so.
        """
        mode: Literal["r", "c"] = "c" if writable else "r"
        images: NDArray[np.uint8] = np.load(self.folder / IMAGES_FILE, mmap_mode=mode, allow_pickle=False)
        return images

    def labels(self) -> NDArray[np.int64]:
        """The class number of every image, int64, N."""
        labels: NDArray[np.int64] = np.load(self.folder / LABELS_FILE, allow_pickle=False)
        return labels


def write(folder: Path, name: str, decoded: Decoded, progress: Progress | None) -> None:
    """Writes a decoded data set into an empty folder, block by block, and waits until the disk has it.

    progress: called with the numbers of images written and in all.
    """
    shape = (len(decoded.labels), decoded.height, decoded.width, decoded.channels)
    images_sha256 = _write_images(folder / IMAGES_FILE, decoded, shape, progress)
    with (folder / LABELS_FILE).open("wb") as file:
        np.save(file, decoded.labels, allow_pickle=False)
        _sync(file)
    meta = {
        "name": name,
        "fingerprint": fingerprint(images_sha256, decoded.labels, decoded.classes, shape),
        "classes": decoded.classes,
        "shape": shape,
    }
    with (folder / META_FILE).open("wb") as file:
        file.write(json.dumps(meta, indent=1).encode() + b"\n")
        _sync(file)


def read(folder: Path) -> Prepared | None:
    """What lies in `folder`, or None where a file is missing, truncated or of another shape than declared."""
    try:
        meta = json.loads((folder / META_FILE).read_text(encoding="utf-8"))
        examples, height, width, channels = meta["shape"]
        prepared = Prepared(
            folder=folder.absolute(),
            name=meta["name"],
            fingerprint=meta["fingerprint"],
            classes=tuple(meta["classes"]),
            examples=examples,
            image_shape=(channels, height, width),
        )
        images, labels = prepared.images(), prepared.labels()
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        return None
    whole = images.shape == (examples, height, width, channels) and images.dtype == np.uint8
    return prepared if whole and labels.shape == (examples,) and labels.dtype == np.int64 else None


def _write_images(path: Path, decoded: Decoded, shape: tuple[int, ...], progress: Progress | None) -> str:
    """Writes the images as one `.npy` without ever holding them all; gives the SHA-256 of the pixels."""
    digest, done = hashlib.sha256(), 0
    with path.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for block in decoded.blocks:
            pixels = np.ascontiguousarray(block).data
            digest.update(pixels)
            file.write(pixels)
            done += len(block)
            if progress is not None:
                progress(done, shape[0])
        _sync(file)
    assert done == shape[0], f"{done} images were decoded, {shape[0]} announced"
    return digest.hexdigest()


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())
