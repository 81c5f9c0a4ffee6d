"""What a network of a user's own may have and shipped ones do not: lazy layers, and extra state that is no tensor.

B: batch, C: channels, H, W: height and width.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from objectives.base.errors import ObjectiveError, first_line
from objectives.models.config import ImageShape

EXTRA_STATE = "_extra_state"
"""How the names end under which torch keeps what `get_extra_state` returns."""


def create_lazy_parameters(network: nn.Module, image_shape: ImageShape) -> None:
    """Let lazy layers (`nn.LazyLinear`) create their parameters, by one look at two black images.

    An optimizer tells weights from biases by their dimensions, which lazy parameters do not have yet.
    """
    if not any(map(is_lazy, [*network.parameters(), *network.buffers()])):
        return
    device = next((each.device for each in network.parameters() if not is_lazy(each)), torch.device("cpu"))
    modes = {module: module.training for module in network.modules()}
    network.eval()  # statistics of batch norm must not count these images
    with torch.no_grad():
        network(torch.zeros(2, *image_shape, device=device))
    for module, training in modes.items():
        module.training = training


def check_extra_state(network: nn.Module) -> None:
    """Raise `ObjectiveError` if a module's extra state cannot be kept in a checkpoint that is read as data alone."""
    for name, value in network.state_dict().items():
        if not isinstance(value, Tensor):
            try:
                _unpack(_pack(value))
            except Exception as error:  # torch and pickle raise many types
                owner = name.removesuffix(EXTRA_STATE).rstrip(".") or "the network"
                raise ObjectiveError(
                    f"get_extra_state of {owner} returns a {type(value).__name__} that a checkpoint cannot hold "
                    f"({type(error).__name__}: {first_line(error)[:100]}); return tensors, numbers, strings, or lists "
                    "and dicts of them"
                ) from error


def pack_extra_states(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return a network's state with tensors alone: extra state of another type becomes its bytes, as uint8."""
    return {name: value if isinstance(value, Tensor) else _pack(value) for name, value in state.items()}


def unpack_extra_states(state: Mapping[str, Tensor], network: nn.Module) -> dict[str, Any]:
    """Return what `pack_extra_states` was given, for the network that it is the state of."""
    plain = {name for name, value in network.state_dict().items() if not isinstance(value, Tensor)}
    return {name: _unpack(value) if name in plain else value for name, value in state.items()}


def _pack(value: object) -> Tensor:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return torch.frombuffer(bytearray(buffer.getvalue()), dtype=torch.uint8)


def _unpack(packed: Tensor) -> Any:
    return torch.load(io.BytesIO(packed.numpy().tobytes()), map_location="cpu", weights_only=True)
