"""CIFAR's pickled batches, read without Python's unpickler.

Format: https://www.cs.toronto.edu/~kriz/cifar.html
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from objectives.data.files.batch_pickle import read_pickle
from objectives.data.files.errors import DataError, UnreadableData, one_line

_SIDE = 32


def read_batch(path: Path, labels_key: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the images (uint8, N 32 32 3) and labels (int64, N) of one batch.

    Raises:
        UnreadableData: the file is truncated, is not a batch, or is a pickle of anything but arrays.
    """
    try:
        batch = read_pickle(path.read_bytes())
    except DataError:
        raise
    except Exception as error:  # a malformed pickle may raise almost any type
        raise UnreadableData(
            f"{path} cannot be read as a CIFAR batch ({one_line(error)}); download it again"
        ) from error
    if not isinstance(batch, dict) or not {"data", labels_key} <= batch.keys():
        raise UnreadableData(f"{path} must be a dict with 'data' and {labels_key!r}, but is not; download it again")
    data, labels = batch["data"], batch[labels_key]
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape[1:] != (3 * _SIDE * _SIDE,):
        raise UnreadableData(f"'data' of {path} must be uint8 of shape (N, {3 * _SIDE * _SIDE}); download it again")
    if not isinstance(labels, list) or not all(isinstance(label, int) and 0 <= label < 2**31 for label in labels):
        raise UnreadableData(f"{labels_key!r} of {path} must be a list of integers from 0; download it again")
    images = data.reshape(-1, 3, _SIDE, _SIDE).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), np.array(labels, dtype=np.int64)
