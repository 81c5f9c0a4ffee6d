"""IDX files, LeCun's format of MNIST and similar data sets (http://yann.lecun.com/exdb/mnist/), read strictly."""

import gzip
import math
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from objectives.data.files.errors import UnreadableData, one_line

_UNSIGNED_BYTE = 0x08
# The most that DEFLATE gains: a byte of a gzip stream stands for at most 1,032 (https://zlib.net/zlib_tech.html).
_MOST_UNPACKED = 1032


def read_idx(path: Path, *, dimensions: int) -> NDArray[np.uint8]:
    """Return the unsigned bytes of one IDX file with exactly this many dimensions; `.gz` is decompressed.

    No more is read or decompressed than the header declares, and nothing if the file is too small for that.

    Raises:
        UnreadableData: the magic number, the dimensions or the size are wrong, or the gzip stream is broken.
    """
    try:
        with _open(path) as file:
            shape = _read_shape(file, path, dimensions)
            content = _read_bytes(file, path, shape, header=4 + 4 * dimensions)
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableData(f"{path} cannot be read ({one_line(error)}); download it again") from error
    return np.frombuffer(content, dtype=np.uint8).reshape(shape)


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _read_shape(file: BinaryIO, path: Path, dimensions: int) -> tuple[int, ...]:
    header = file.read(4 + 4 * dimensions)
    expected = bytes((0, 0, _UNSIGNED_BYTE, dimensions))
    if len(header) < 4 + 4 * dimensions or header[:4] != expected:
        raise UnreadableData(
            f"an IDX file of bytes with {dimensions} dimensions must start with 0x{expected.hex()}, but {path} starts "
            f"with 0x{header[:4].hex()}; download it again"
        )
    return tuple(int(n) for n in np.frombuffer(header, dtype=">u4", offset=4))


def _read_bytes(file: BinaryIO, path: Path, shape: tuple[int, ...], *, header: int) -> bytes:
    size, stored = math.prod(shape), path.stat().st_size
    most = stored * _MOST_UNPACKED if path.suffix == ".gz" else stored
    if header + size > most:
        found = f"at most {most:,}" if path.suffix == ".gz" else f"{stored:,}"
    elif len(content := file.read(size + 1)) == size:
        return content
    else:
        found = f"{header + len(content):,}" if len(content) < size else "more"
    raise UnreadableData(
        f"{path} must have {header + size:,} bytes for the shape {shape} that it declares, but has {found}; "
        "download it again"
    )
