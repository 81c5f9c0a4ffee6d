"""The stages of a network that are reused."""

from __future__ import annotations

from torch import nn

from objectives.base.errors import ObjectiveError
from objectives.models.network import Network
from objectives.reuse.freeze import Freeze


def require_stages(network: nn.Module, layers: int) -> Network:
    """The network itself, if it has that many stages.

    Raises:
        ObjectiveError: it has fewer, or is one of a user's own, whose stages nobody knows.
    """
    if not isinstance(network, Network):
        raise ObjectiveError(
            f"only a network of MODELS has stages to reuse, but this objective builds a {type(network).__name__}; "
            "name a model in the objective, or leave reuse out of its space"
        )
    if layers > len(network.stages):
        raise ObjectiveError(
            f"layers={layers} stages cannot be reused in a network that has {len(network.stages)}; "
            f"--set layers={len(network.stages)}, or make the network deeper"
        )
    return network


def freeze_stages(network: Network, layers: int, epochs: int, rate_factor: float) -> Freeze:
    """The lowest `layers` stages of a network, to be kept still for so many epochs."""
    return Freeze(stages=tuple(network.stages[:layers]), epochs=epochs, rate_factor=rate_factor)
