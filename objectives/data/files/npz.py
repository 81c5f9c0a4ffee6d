"""The project's own `.npz` files, read strictly: stored arrays of bytes and of 64-bit integers, and nothing else."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from objectives.data.files.errors import DataError, UnreadableData, one_line


def read_arrays(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the images (uint8, N H W C) and labels (int64, N) of a file that `numpy.savez` wrote.

    An array's size is compared with the file's before memory is taken for it.

    Raises:
        UnreadableData: it is truncated, has no such arrays, or has arrays of another type.
    """
    try:
        with zipfile.ZipFile(path) as file:
            images, labels = (_read_array(file, f"{name}.npy", path) for name in ("images", "labels"))
    except DataError:
        raise
    except Exception as error:  # a malformed zip or header may raise almost any type
        raise UnreadableData(
            f"{path} cannot be read ({one_line(error)}); remove it, and it will be written again"
        ) from error
    if images.dtype != np.uint8 or images.ndim != 4 or labels.dtype != np.int64 or labels.ndim != 1:
        raise UnreadableData(
            f"{path} must have uint8 images with four dimensions and int64 labels with one; remove it, "
            "and it will be written again"
        )
    return images.astype(np.uint8, copy=False), labels.astype(np.int64, copy=False)


def _read_array(file: zipfile.ZipFile, name: str, path: Path) -> NDArray[np.generic]:
    member = file.getinfo(name)
    if member.compress_type != zipfile.ZIP_STORED or member.file_size > path.stat().st_size:
        raise ValueError(f"{name} is compressed, or larger than the file")
    with file.open(member) as stream:
        if np.lib.format.read_magic(stream) != (1, 0):
            raise ValueError(f"{name} has another version of numpy's format")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
        content = stream.read()
    if dtype not in (np.uint8, np.int64) or fortran or len(content) != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{name} has a type, an order or a size that no array of this file has")
    return np.frombuffer(content, dtype=dtype).reshape(shape)
