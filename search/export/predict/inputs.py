"""Files as images of a network's size: pictures, arrays and tables. N: images, H, W: height and width, C: channels."""

from __future__ import annotations

import csv
import math
import os
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from objectives.data.files import image_files
from objectives.data.files.errors import DataError, UnreadableData, one_line
from objectives.data.files.layouts import IMAGE_SUFFIXES
from search.export.networks.preprocessing import Preprocessing

ARRAY_SUFFIXES = frozenset({".npy", ".npz"})
TABLE_SUFFIXES = frozenset({".csv"})
SUFFIXES = IMAGE_SUFFIXES | ARRAY_SUFFIXES | TABLE_SUFFIXES
LARGEST_ARRAY_BYTES = 4 * 2**30
ARRAY_NAME = "images"
"""In a .npz file with several arrays."""

Images = NDArray[np.uint8]


def list_files(paths: Sequence[Path]) -> Iterator[Path]:
    """Yield the files themselves, and those of each folder that can be read by their endings, sorted by path.

    A folder's hidden files, named pipes and linked folders are skipped. A folder with nothing else is yielded itself.
    """
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        yield from list(_walk(path)) or [path]


def _walk(path: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (
            Path(folder, name)
            for name in sorted(names)
            if Path(name).suffix.lower() in SUFFIXES
            and not name.startswith(".")
            and not Path(folder, name).is_fifo()  # reading one might wait for ever
        )


def holds_many(path: Path) -> bool:
    """Return whether a file is one of many images, by its ending."""
    return path.suffix.lower() in ARRAY_SUFFIXES | TABLE_SUFFIXES


def read_images(path: Path, wanted: Preprocessing) -> Images:
    """Return a file's images, uint8 (N, H, W, C), of the size that the network takes.

    Raises:
        DataError: the file cannot be read, or its images cannot be made fit; the message names it.
    """
    suffix = path.suffix.lower()
    try:
        if path.is_dir():
            raise UnreadableData(f"{path} is a folder without any image, array or table; name another")
        with path.open("rb"):  # what cannot be opened is not a broken image
            pass
        if suffix in ARRAY_SUFFIXES:
            return _fit(path, _read_array(path, wanted), wanted)
        if suffix in TABLE_SUFFIXES:
            return _read_table(path, wanted)
        return _fit(path, image_files.read(str(path), wanted.channels, wanted.resize)[None], wanted)
    except DataError:
        raise
    except OSError as error:
        raise UnreadableData(f"{path} cannot be read ({error.strerror or one_line(error)}); name another") from None


def _fit(path: Path, images: Images, wanted: Preprocessing) -> Images:
    """Return images of the network's size; arrays are resized as in training, if images were."""
    if images.shape[1:3] != (wanted.height, wanted.width) and wanted.resize is not None and len(images):
        images = image_files.fit_block(images, wanted.resize)
    if images.shape[1:] != (wanted.height, wanted.width, wanted.channels):
        height, width = images.shape[1:3]
        raise UnreadableData(
            f"{path} has {height}x{width} pixels, and the network was trained on {wanted.height}x{wanted.width} "
            "without any resizing; resize it as the training images were"
        )
    return images


def _read_array(path: Path, wanted: Preprocessing) -> Images:
    """Return the images of a .npy or .npz file; objects in it, which would be unpickled, are refused."""
    try:
        array = _load(path)
    except DataError:
        raise
    except OSError:
        raise
    except Exception as error:  # a malformed header or zip may raise almost any type
        raise UnreadableData(f"{path} cannot be read as an array ({one_line(error)}); replace or remove it") from None
    channels, shape = wanted.channels, array.shape
    if channels == 1 and (array.ndim == 2 or (array.ndim == 3 and shape[-1] != 1)):
        array = array[..., None]
    if array.ndim == 3:
        array = array[None]
    if array.dtype != np.uint8 or array.ndim != 4 or array.shape[3] != channels or 0 in array.shape:
        raise UnreadableData(
            f"{path} must have uint8 images (N, height, width{', channels' if channels > 1 else ''}) with {channels} "
            f"channel{'s' * (channels > 1)}, but has {array.dtype} {shape}; convert it"
        )
    return array.astype(np.uint8, copy=False)


def _load(path: Path) -> NDArray[np.generic]:
    if path.suffix.lower() == ".npy":
        mapped: NDArray[np.generic] = np.load(path, mmap_mode="r", allow_pickle=False)
        return mapped
    # Not by numpy.load: it unpacks a member that is no array whole, or another one of the name than was measured.
    with zipfile.ZipFile(path) as file:
        members = {each.filename.removesuffix(".npy"): each for each in file.infolist()}
        name = ARRAY_NAME if ARRAY_NAME in members else next(iter(members), "")
        if len(members) != 1 and name != ARRAY_NAME:
            names = ", ".join(members)[:200]
            raise UnreadableData(f"{path} has the arrays {names}; call the one to predict {ARRAY_NAME!r}")
        if members[name].file_size > LARGEST_ARRAY_BYTES:
            size = members[name].file_size
            raise UnreadableData(f"{path} unpacks to {size} bytes, more than {LARGEST_ARRAY_BYTES}; divide it")
        with file.open(members[name]) as member:
            array: NDArray[np.generic] = np.lib.format.read_array(member, allow_pickle=False)
    return array


def _read_table(path: Path, wanted: Preprocessing) -> Images:
    """Return the images of a CSV file: one in each row, in the order of memory; a first row of names is skipped."""
    shape = wanted.height, wanted.width, wanted.channels
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UnreadableData(f"{path} cannot be read as a table ({one_line(error)}); write it as UTF-8 CSV") from None
    if rows and not _is_number(rows[0][0]):
        rows = rows[1:]
    if not rows:
        raise UnreadableData(f"{path} has no rows; write one for each image")
    return np.stack([_read_row(path, number, row, math.prod(shape)) for number, row in enumerate(rows, 1)]).reshape(
        -1, *shape
    )


def _read_row(path: Path, number: int, row: Sequence[str], pixels: int) -> Images:
    if len(row) != pixels:
        raise UnreadableData(
            f"row {number} of {path} has {len(row)} numbers, and an image has {pixels} (height x width x channels); "
            "correct it"
        )
    try:
        values = np.array(row, dtype=np.float64)
    except ValueError:
        raise UnreadableData(f"row {number} of {path} has something else than numbers; correct it") from None
    if not (
        np.isfinite(values).all() and (values == values.round()).all() and 0 <= values.min() <= values.max() <= 255
    ):
        raise UnreadableData(
            f"row {number} of {path} has a number that is no pixel, a whole one from 0 to 255; correct it"
        )
    return values.astype(np.uint8)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
