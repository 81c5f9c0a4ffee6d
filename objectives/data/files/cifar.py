"""CIFAR's pickled batches, read by an unpickler that can build arrays, dicts, lists and bytes and nothing
else.

Format: https://www.cs.toronto.edu/~kriz/cifar.html
"""

import codecs
import io
import pickle
import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectives.data.files.errors import DataError, UnreadableData, one_line

_SIDE = 32
_NUMBERS_OBJECTS = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})


def _dtype(code: str, align: int = 0, copy: int = 1) -> np.dtype[Any]:
    """Python 2's pickles hold 0 and 1 where numpy wants booleans; numpy 2.4.0 warns about each."""
    return np.dtype(code, align=bool(align), copy=bool(copy))


_RECONSTRUCT: Callable[..., Any] = np.empty(0).__reduce__()[0]  # type: ignore[assignment]

_ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): _dtype,
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("_codecs", "encode"): codecs.encode,
}


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        """What the pickle asks to call, if it is one of the few that build arrays."""
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no CIFAR batch needs") from None


def _check_memo(content: bytes) -> None:
    """Refuse a pickle that numbers its objects beyond their count: Python makes a table of up to 64 GB of that."""
    for count, (opcode, argument, _) in enumerate(pickletools.genops(content), start=1):
        if opcode.name in _NUMBERS_OBJECTS and int(argument or 0) > count:
            raise pickle.UnpicklingError(f"it numbers an object {argument:,}, of {count:,} at most")


def read_batch(path: Path, labels_key: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The images (uint8, N 32 32 3) and labels (int64, N) of one batch.

    Raises UnreadableData: truncated, not a batch, or a pickle that asks for anything but arrays.
    """
    try:
        content = path.read_bytes()
        _check_memo(content)
        batch = _ArrayUnpickler(io.BytesIO(content), encoding="latin1").load()
    except DataError:
        raise
    except Exception as error:  # a malformed pickle raises nearly anything
        raise UnreadableData(
            f"{path} cannot be read as a CIFAR batch ({one_line(error)}); download it again."
        ) from error
    if not isinstance(batch, dict) or not {"data", labels_key} <= batch.keys():
        raise UnreadableData(f"{path} is not a CIFAR batch: it must be a dict with 'data' and {labels_key!r}.")
    data, labels = batch["data"], batch[labels_key]
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape[1:] != (3 * _SIDE * _SIDE,):
        raise UnreadableData(f"{path}: 'data' must be bytes of the shape (N, {3 * _SIDE * _SIDE}).")
    if not isinstance(labels, list) or not all(isinstance(label, int) for label in labels):
        raise UnreadableData(f"{path}: {labels_key!r} must be a list of integers.")
    images = data.reshape(-1, 3, _SIDE, _SIDE).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), np.array(labels, dtype=np.int64)
