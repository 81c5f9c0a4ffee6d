"""Small data sets in the real binary layouts, written to disk for tests."""

import gzip
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from objectives.data.batches.augmentation import Augmentation
from objectives.data.catalogue import Dataset
from objectives.data.files.layouts import ArrayFile, CifarBatches, ClassFolder, IdxFiles, Layout
from objectives.data.files.prepared import Prepared

Array = NDArray[np.uint8]

EVERYTHING = Augmentation(alternating_flip=True, crop=4, crop_padding="reflect", brightness=0.3, contrast=0.4, cutout=3)


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """Images and labels, the labels sorted, as class folders hold them."""

    images: Array
    labels: NDArray[np.int64]


class Count:
    """A progress callback that keeps what it was told."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, int]] = []

    def __call__(self, done: int, total: int) -> None:
        """Called by what is under test."""
        self.calls.append((done, total))


def part(classes: int, each: int, shape: tuple[int, int, int], seed: int = 0) -> Part:
    """Random pixels, `each` examples a class."""
    images = np.random.default_rng(seed).integers(0, 256, (classes * each, *shape), dtype=np.uint8)
    return Part(images=images, labels=np.repeat(np.arange(classes), each))


def shape_of(layout: Layout) -> tuple[int, int, int]:
    """Height, width and channels that suit a layout."""
    match layout:
        case CifarBatches():
            return (32, 32, 3)
        case ArrayFile():
            return (8, 8, 1)
        case _:
            return (6, 5, 1)


def write(layout: Layout, root: Path, content: Part, classes: Sequence[str]) -> None:
    """Writes one part in its layout, as the files of the real data set are."""
    match layout:
        case IdxFiles(folder=folder, images=images, labels=labels):
            write_file(root / folder / images, idx(content.images[..., 0]))
            write_file(root / folder / labels, idx(content.labels.astype(np.uint8)))
        case CifarBatches(folder=folder, files=files, labels_key=key):
            for name, rows in zip(files, np.array_split(np.arange(len(content.labels)), len(files)), strict=True):
                batch = cifar_batch(content.images[rows], content.labels[rows], key)
                write_file(root / folder / name, batch)
        case ClassFolder(folder=folder):
            write_folders(root / folder, content, classes)
        case ArrayFile(file=file):
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            np.savez(root / file, images=content.images, labels=content.labels)


def write_both(dataset: Dataset, root: Path, each: int = 3) -> tuple[Part, Part]:
    """Writes the training and the held-out part of a known data set in its first own layout."""
    assert dataset.classes is not None
    layout = dataset.training[0]
    parts = [part(len(dataset.classes), each, shape_of(layout), seed) for seed in (1, 2)]
    for kind, content in zip((layout, dataset.held_out[0]), parts, strict=True):
        write(kind, root, content, dataset.classes)
    return parts[0], parts[1]


def write_folders(folder: Path, content: Part, classes: Sequence[str], suffix: str = ".png") -> None:
    """One folder a class, files numbered in order."""
    for k, (image, label) in enumerate(zip(content.images, content.labels, strict=True)):
        path = folder / classes[label] / f"{k:05}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(path)


def normalized(prepared: Prepared, chosen: NDArray[np.int64], trained: NDArray[np.int64]) -> NDArray[np.float64]:
    """The formula in float64: pixels from 0 to 1, less the mean, by the deviation of what is trained on."""
    pixels = prepared.images() / 255
    mean, std = pixels[trained].mean((0, 1, 2)), pixels[trained].std((0, 1, 2))
    normal: NDArray[np.float64] = ((pixels[chosen] - mean) / std).transpose(0, 3, 1, 2)
    return normal


def write_file(path: Path, content: bytes) -> Path:
    """Writes bytes, making folders; gzips where the name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def idx(array: Array) -> bytes:
    """An IDX file of unsigned bytes."""
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def cifar_batch(images: Array, labels: NDArray[np.int64], labels_key: str = "labels") -> bytes:
    """A batch as Python 2 pickled it: byte strings, and 0 and 1 where numpy has booleans now."""
    data = images.transpose(0, 3, 1, 2).tobytes()
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01"
        + _int(len(images))
        + _int(3072)
        + b"\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        + b"T"
        + struct.pack("<i", len(data))
        + data
        + b"tb"
    )
    numbers = b"](" + b"".join(_int(int(label)) for label in labels) + b"e"
    return b"\x80\x02}(" + _text("data") + array + _text(labels_key) + numbers + b"u."


def _int(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def _text(value: str) -> bytes:
    return b"U" + bytes([len(value)]) + value.encode()
