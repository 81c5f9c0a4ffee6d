"""A file of weights that a user names, as a source of weights."""

from __future__ import annotations

import hashlib
import os
import pickle
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from objectives.base.errors import ObjectiveError, first_line

if TYPE_CHECKING:
    from torch import Tensor

SAFETENSORS = ".safetensors"
SUFFIXES = (SAFETENSORS, ".pth", ".pt", ".bin", ".ckpt")
"""The endings of files that are read. No file of a data set has them, so that no test file is opened by mistake."""
LARGEST_BYTES = 8 * 2**30

# Where checkpoints of other programs have the weights.
_NESTED = ("state_dict", "model")


@dataclass(frozen=True, kw_only=True)
class WeightsFile:
    """A file of weights on this machine, which is only data: nothing in it is run.

    name: as the study's space has it. path: absolute. sha256: of its content, in hexadecimal.
    """

    name: str
    path: Path
    sha256: str

    def load_state(self) -> dict[str, Tensor]:
        """Return its tensors by their names.

        Raises:
            ObjectiveError: it cannot be read, has changed since its hash was taken, or holds anything but tensors.
        """
        content = _read(self.path)
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise ObjectiveError(f"the file of weights {self.path} has changed while the study ran; restore it")
        return _parse(self.path, content)


def find_weights_file(name: str, data_dir: Path) -> WeightsFile:
    """Return the file of weights of this name, which is absolute or relative to the data folder.

    Raises:
        ObjectiveError: there is no such file, it is no file of weights, or it is too large.
    """
    path = Path(os.path.realpath(data_dir / name))
    if path.suffix.lower() not in SUFFIXES:
        raise ObjectiveError(
            f"reuse 'file' reads weights from files that end in {', '.join(SUFFIXES)}, but got {name!r}; "
            "use --set file=PATH with such a file"
        )
    content = _read(path)
    _parse(path, content)
    return WeightsFile(name=name, path=path, sha256=hashlib.sha256(content).hexdigest())


def _read(path: Path) -> bytes:
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise ObjectiveError(f"{path} is no file; use --set file=PATH with a file of weights")
        if found.st_size > LARGEST_BYTES:
            raise ObjectiveError(
                f"a file of weights may have {LARGEST_BYTES / 2**30:.0f} GiB, but {path} has "
                f"{found.st_size / 2**30:.1f} GiB"
            )
        return path.read_bytes()
    except OSError as error:
        raise ObjectiveError(
            f"the file of weights {path} cannot be read ({error.strerror}); nothing is downloaded: put it there, or "
            "use --set file=PATH (absolute, or relative to the data folder)"
        ) from None


def _parse(path: Path, content: bytes) -> dict[str, Tensor]:
    state = _load_safetensors(path, content) if path.suffix.lower() == SAFETENSORS else _load_pickle(path, content)
    odd = next((name for name, value in state.items() if not _is_tensor(value)), None)
    if not state or odd is not None:
        what = "it is empty" if odd is None else f"{str(odd)[:60]!r} is no tensor"
        raise ObjectiveError(f"{path} holds no weights by their names: {what}; save model.state_dict() to a file")
    return {str(name): value for name, value in state.items()}


def _is_tensor(value: object) -> bool:
    from torch import Tensor

    return isinstance(value, Tensor)


def _load_safetensors(path: Path, content: bytes) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(content)
    except SafetensorError as error:
        raise ObjectiveError(f"{path} is not a whole safetensors file ({first_line(error)}); copy it again") from None


def _load_pickle(path: Path, content: bytes) -> Mapping[str, Any]:
    import io

    import torch

    try:
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ObjectiveError(
            f"{path} holds something else than weights ({first_line(error)[:100]}), which is not loaded because that "
            "could run code; save model.state_dict() to a file"
        ) from None
    except Exception as error:  # torch raises many types for content of another origin
        raise ObjectiveError(
            f"{path} is not a file that torch.save wrote ({type(error).__name__}: {first_line(error)[:100]})"
        ) from None
    nested = next((state[key] for key in _NESTED if isinstance(state, dict) and isinstance(state.get(key), dict)), None)
    return nested if nested is not None else state if isinstance(state, dict) else {"": None}
