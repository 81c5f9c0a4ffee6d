"""A network's weights as the content of a safetensors file, and back."""

from __future__ import annotations

import hashlib
from pathlib import Path

from safetensors.torch import load, save
from torch import nn


def pack_weights(model: nn.Module) -> tuple[bytes, str]:
    """Return the weights and buffers as the content of a safetensors file, and its SHA-256."""
    # Copies, because the format cannot store one tensor under two names, as tied weights need.
    data = save({name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()})
    return data, hashlib.sha256(data).hexdigest()


def load_weights(path: Path, model: nn.Module, sha256: str) -> bytes | None:
    """Load a file of weights and return its content; return None if it is missing or has another hash."""
    data = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(data).hexdigest() != sha256:
        return None
    model.load_state_dict(load(data))
    return data
