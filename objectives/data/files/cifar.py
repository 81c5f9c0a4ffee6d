"""CIFAR's pickled batches, read by an unpickler that can only build arrays, dicts, lists and bytes.

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
_MEMO_OPCODES = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})


def _build_dtype(code: str, align: int = 0, copy: int = 1) -> np.dtype[Any]:
    """Return a dtype; Python 2's pickles have 0 and 1 for booleans, which numpy 2.4.0 warns about."""
    return np.dtype(code, align=bool(align), copy=bool(copy))


_RECONSTRUCT: Callable[..., Any] = np.empty(0).__reduce__()[0]  # type: ignore[assignment]

_ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): _build_dtype,
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("_codecs", "encode"): codecs.encode,
}


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        """Return the callable that the pickle asks for, if it is one of the few that build arrays."""
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no CIFAR batch does") from None


def _check_memo(content: bytes) -> None:
    """Raise `UnpicklingError` for an object number beyond the count, for which Python allocates up to 64 GB."""
    for count, (opcode, argument, _) in enumerate(pickletools.genops(content), start=1):
        if opcode.name in _MEMO_OPCODES and int(argument or 0) > count:
            raise pickle.UnpicklingError(f"it has an object number {argument:,}, but only {count:,} objects at most")


def read_batch(path: Path, labels_key: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the images (uint8, N 32 32 3) and labels (int64, N) of one batch.

    Raises:
        UnreadableData: the file is truncated, is not a batch, or is a pickle of anything but arrays.
    """
    try:
        content = path.read_bytes()
        _check_memo(content)
        batch = _ArrayUnpickler(io.BytesIO(content), encoding="latin1").load()
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
    if not isinstance(labels, list) or not all(isinstance(label, int) for label in labels):
        raise UnreadableData(f"{labels_key!r} of {path} must be a list of integers; download it again")
    images = data.reshape(-1, 3, _SIDE, _SIDE).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), np.array(labels, dtype=np.int64)
