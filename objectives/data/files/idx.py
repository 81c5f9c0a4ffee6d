"""IDX files, LeCun's format of MNIST and similar data sets (http://yann.lecun.com/exdb/mnist/), read strictly."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from objectives.data.files.errors import DataError, UnreadableData, one_line

_UNSIGNED_BYTE = 0x08


def read_idx(path: Path, *, dimensions: int) -> NDArray[np.uint8]:
    """Return the unsigned bytes of one IDX file with exactly this many dimensions; `.gz` is decompressed.

    Raises:
        UnreadableData: the magic number, the dimensions or the size are wrong, or the gzip stream is broken.
    """
    content = _read_content(path)
    header = 4 + 4 * dimensions
    expected = bytes((0, 0, _UNSIGNED_BYTE, dimensions))
    if len(content) < header or content[:4] != expected:
        raise UnreadableData(
            f"an IDX file of bytes with {dimensions} dimensions must start with 0x{expected.hex()}, but {path} starts "
            f"with 0x{content[:4].hex()}; download it again"
        )
    shape = tuple(int(n) for n in np.frombuffer(content, dtype=">u4", count=dimensions, offset=4))
    if len(content) != header + math.prod(shape):
        raise UnreadableData(
            f"{path} must have {header + math.prod(shape):,} bytes for the shape {shape} that it declares, "
            f"but has {len(content):,}; download it again"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(shape)


def _read_content(path: Path) -> bytes:
    try:
        if path.suffix == ".gz":
            with gzip.open(path) as file:
                return file.read()
        return path.read_bytes()
    except DataError:
        raise
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableData(f"{path} cannot be read ({one_line(error)}); download it again") from error
