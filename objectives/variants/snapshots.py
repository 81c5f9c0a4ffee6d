"""Networks as they were during a training, kept at the dips of the learning rate."""

from __future__ import annotations

from collections import deque
from typing import Any

from torch import nn

from objectives.models.weights import copy_state
from objectives.variants.copying import copy_for_prediction


class SnapshotCollector:
    """Keeps a network's weights each time it is called, and of these the last `most`."""

    def __init__(self, most: int) -> None:
        self._states: deque[dict[str, Any]] = deque(maxlen=most)

    def __call__(self, model: nn.Module) -> None:
        """Keep the present weights and buffers."""
        self._states.append(copy_state(model))

    def build(self, model: nn.Module) -> tuple[nn.Module, ...]:
        """Return a network for each kept state, oldest first, of the same layers as `model`."""
        return tuple(_load(copy_for_prediction(model), state) for state in self._states)


def _load(network: nn.Module, state: dict[str, Any]) -> nn.Module:
    network.load_state_dict(state)
    return network
