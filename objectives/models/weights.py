"""A network's weights as the content of a safetensors file, and back."""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors.torch import load, save
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from objectives.models.own_modules import pack_extra_states, unpack_extra_states


@dataclass(frozen=True, kw_only=True)
class PackedNetwork:
    """A trained network as another process gets it: the number of its parameters, and its packed weights."""

    parameters: int
    weights: bytes | None = field(repr=False)
    """None if they cannot be packed."""

    @classmethod
    def pack(cls, model: nn.Module) -> PackedNetwork:
        """Pack a network."""
        try:
            weights = pack_weights(model)[0]
        except (RuntimeError, ValueError):  # some tensors cannot be written to a file
            weights = None
        return cls(parameters=count_parameters(model), weights=weights)


def count_parameters(model: nn.Module) -> int:
    """Return how many parameters a network has, without those that were never made."""
    return sum(each.numel() for each in model.parameters() if not is_lazy(each))


def copy_state(model: nn.Module) -> dict[str, Any]:
    """Return a copy of a network's state, in which a module's own extra state may be no tensor."""
    return {
        name: value.detach().clone() if isinstance(value, Tensor) else copy.deepcopy(value)
        for name, value in model.state_dict().items()
    }


def pack_weights(model: nn.Module) -> tuple[bytes, str]:
    """Return the weights and buffers as the content of a safetensors file, and its SHA-256."""
    # Copies, because the format cannot store one tensor under two names, as tied weights need.
    state = pack_extra_states(model.state_dict())
    data = save({name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()})
    return data, hashlib.sha256(data).hexdigest()


def load_packed(data: bytes, model: nn.Module) -> None:
    """Load what `pack_weights` returned into a network of the same layers."""
    model.load_state_dict(unpack_extra_states(load(data), model))


def load_weights(path: Path, model: nn.Module, sha256: str) -> bytes | None:
    """Load a file of weights and return its content; return None if it is missing or has another hash."""
    data = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(data).hexdigest() != sha256:
        return None
    load_packed(data, model)
    return data
