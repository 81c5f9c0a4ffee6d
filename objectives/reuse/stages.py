"""The reused stages of a network."""

from __future__ import annotations

from torch import nn

from objectives.base.errors import ObjectiveError
from objectives.models.network import Network
from objectives.reuse.freeze import Freeze


def require_stages(network: nn.Module, layers: int) -> Network:
    """Return the network itself, if it has that many stages.

    Raises:
        ObjectiveError: it has fewer, or it is a user's network, which has no known stages.
    """
    if not isinstance(network, Network):
        raise ObjectiveError(
            f"only a network of MODELS has stages to reuse, but this objective builds a {type(network).__name__}; "
            "set the objective's model, build one with `torchvision_network`, or remove reuse from its space"
        )
    if layers > len(network.stages):
        raise ObjectiveError(
            f"layers={layers} stages cannot be reused in a network that has {len(network.stages)}; "
            f"use --set layers={len(network.stages)}, or make the network deeper"
        )
    return network


def freeze_stages(
    network: Network, layers: int, epochs: int, rate_factor: float, *, every: int = 0, head_rate: float = 1.0
) -> Freeze:
    """Return a freeze of the lowest `layers` stages of a network.

    every: as in `Freeze`. head_rate: the learning rate of the output layer as a multiple of that of all others.
    """
    own = {} if head_rate == 1.0 else dict.fromkeys(network.output.parameters(), head_rate)
    return Freeze(
        stages=tuple(network.stages[:layers]), epochs=epochs, rate_factor=rate_factor, every=every, own_rates=own
    )
