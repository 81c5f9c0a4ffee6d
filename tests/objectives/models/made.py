"""Small networks for the tests of this folder."""

from typing import Any

import torch
from torch import nn

from objectives.models.catalogue import MODELS
from objectives.models.network import Network

Shape = tuple[int, int, int]

# Every network and the activations it is tried with; a recurrent one's cells have their own.
WITH_ACTIVATION = tuple(model for model in MODELS if model != "rnn")


def network(model: str, shape: Shape = (1, 8, 8), *, seed: int = 0, **options: Any) -> Network:
    """Build one of three stages and ten classes from a seed; options are fields of its configuration."""
    torch.manual_seed(seed)
    config = MODELS[model].config(**{"depth": 3, "width": 8, **options})
    return MODELS[model].build(config, shape, 10)


def layers(part: nn.Module) -> list[Any]:
    """List what a stage, or another part of a network, consists of."""
    return list(part.children())
