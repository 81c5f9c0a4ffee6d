"""The decoded copy of a data set on disk: a folder with three files, which every worker maps into memory.

Images in groups have a fourth file, with the number of each image's group.
"""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from objectives.base.files import write_whole
from objectives.data.files.decoded import Decoded, Progress, compute_fingerprint

IMAGES_FILE = "images.npy"
LABELS_FILE = "labels.npy"
META_FILE = "meta.json"
GROUPS_FILE = "groups.npy"
FILES = (IMAGES_FILE, LABELS_FILE, META_FILE)

_HASHED_AT_ONCE = 8 * 2**20

# Workers and other studies map these files: nobody may write to them.
_READ_ONLY = 0o444

Stamp = tuple[tuple[int, int, int, int], ...]
"""Inode, size (bytes) and times of the last change and of the last change of state (ns) of each file."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """The decoded training part of a data set; only plain values, so that it can be sent to another process.

    folder: absolute; has images.npy, labels.npy and meta.json.
    name: the data set's identity.
    fingerprint: SHA-256 of pixels, labels and class names, in hexadecimal; equal for equal content.
    classes: names in the order of the labels.
    examples: the number of images, those for validation included.
    image_shape: (channels, height, width).
    stamp: the state of the files when they were found; equal as long as nobody has written to them.
    validation_examples: how many of the images, the last ones, are from the folder val/; 0 without one.
    grouped: whether the images are in groups.
    """

    folder: Path
    name: str
    fingerprint: str
    classes: tuple[str, ...]
    examples: int
    image_shape: tuple[int, int, int]
    stamp: Stamp = field(compare=False)
    validation_examples: int = 0
    grouped: bool = False

    def images(self, *, writable: bool = False) -> NDArray[np.uint8]:
        """Return all images, (N, height, width, channels), mapped from disk: one copy for all processes.

        writable: makes the array writable, without changing the file (copy on write); torch requires it.
        """
        mode: Literal["r", "c"] = "c" if writable else "r"
        images: NDArray[np.uint8] = np.load(self.folder / IMAGES_FILE, mmap_mode=mode, allow_pickle=False)
        return images

    def labels(self) -> NDArray[np.int64]:
        """Return the class number of every image, int64, N."""
        labels: NDArray[np.int64] = np.load(self.folder / LABELS_FILE, allow_pickle=False)
        return labels

    def groups(self) -> NDArray[np.int64] | None:
        """Return the number of every image's group, int64, N; None if images are not grouped."""
        if not self.grouped:
            return None
        groups: NDArray[np.int64] = np.load(self.folder / GROUPS_FILE, allow_pickle=False)
        return groups

    def compute_fingerprint(self) -> str:
        """Return the fingerprint that the files have now; every pixel is read, at about 800 MB/s."""
        images, digest = self.images(), hashlib.sha256()
        pixels = images.reshape(-1)
        for start in range(0, len(pixels), _HASHED_AT_ONCE):
            digest.update(pixels[start : start + _HASHED_AT_ONCE].data)
        return compute_fingerprint(
            digest.hexdigest(),
            self.labels(),
            self.classes,
            images.shape,
            groups=self.groups(),
            validation=self.validation_examples,
        )


def write(folder: Path, name: str, decoded: Decoded, progress: Progress | None) -> None:
    """Write a decoded data set into an empty folder, block by block, and wait until it is on the disk.

    progress: called with the number of images written and the number of all images.
    """
    shape = (len(decoded.labels), decoded.height, decoded.width, decoded.channels)
    images_sha256 = _write_images(folder / IMAGES_FILE, decoded, shape, progress)
    with write_whole(folder / LABELS_FILE) as file:
        np.save(file, decoded.labels, allow_pickle=False)
    groups = None
    if decoded.groups is not None:
        groups = np.unique(decoded.groups, return_inverse=True)[1].astype(np.int64)
        with write_whole(folder / GROUPS_FILE) as file:
            np.save(file, groups, allow_pickle=False)
        (folder / GROUPS_FILE).chmod(_READ_ONLY)
    meta = {
        "name": name,
        "fingerprint": compute_fingerprint(
            images_sha256, decoded.labels, decoded.classes, shape, groups=groups, validation=decoded.validation
        ),
        "classes": decoded.classes,
        "shape": shape,
        "validation": decoded.validation,
        "grouped": groups is not None,
    }
    with write_whole(folder / META_FILE) as file:
        file.write(json.dumps(meta, indent=1).encode() + b"\n")
    for name in FILES:
        (folder / name).chmod(_READ_ONLY)


def read(folder: Path) -> Prepared | None:
    """Return the data set in `folder`, or None if a file is missing, truncated or has not the declared shape."""
    try:
        stamp = read_stamp(folder)
        meta = json.loads((folder / META_FILE).read_text(encoding="utf-8"))
        examples, height, width, channels = meta["shape"]
        prepared = Prepared(
            folder=folder.absolute(),
            name=meta["name"],
            fingerprint=meta["fingerprint"],
            classes=tuple(meta["classes"]),
            examples=examples,
            image_shape=(channels, height, width),
            stamp=stamp,
            validation_examples=meta.get("validation", 0),
            grouped=meta.get("grouped", False),
        )
        images, labels = prepared.images(), prepared.labels()
        whole = images.shape == (examples, height, width, channels) and images.dtype == np.uint8
        whole = whole and images.flags.c_contiguous and labels.shape == (examples,) and labels.dtype == np.int64
        groups = prepared.groups()
        whole = whole and (groups is None or (groups.shape == (examples,) and groups.dtype == np.int64))
        whole = whole and 0 <= prepared.validation_examples < examples
    except Exception:  # a damaged file may raise almost any type
        return None
    return prepared if whole else None


def read_stamp(folder: Path) -> Stamp:
    """Return the present state of the files in `folder`."""
    names = [*FILES, GROUPS_FILE] if (folder / GROUPS_FILE).exists() else FILES
    found = [(folder / name).stat() for name in names]
    return tuple((each.st_ino, each.st_size, each.st_mtime_ns, each.st_ctime_ns) for each in found)


def _write_images(path: Path, decoded: Decoded, shape: tuple[int, ...], progress: Progress | None) -> str:
    """Write the images as one `.npy` without holding all of them in memory; return the SHA-256 of the pixels."""
    digest, done = hashlib.sha256(), 0
    with write_whole(path) as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for block in decoded.blocks:
            pixels = np.ascontiguousarray(block).data
            digest.update(pixels)
            file.write(pixels)
            done += len(block)
            if progress is not None:
                progress(done, shape[0])
    assert done == shape[0], f"{done} images were decoded, but {shape[0]} were announced"
    return digest.hexdigest()
