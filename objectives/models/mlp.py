"""The multilayer perceptron."""

from __future__ import annotations

import math
from functools import partial

from torch import nn

from objectives.models.config import ImageShape, MlpConfig
from objectives.models.layers import initialize_network, slope, stage
from objectives.models.network import Network


def build_mlp(config: MlpConfig, image_shape: ImageShape, classes: int) -> Network:
    """Flatten, then `depth` stages of linear layer, activation and what is configured between and after.

    Raises:
        ObjectiveError: an unknown name or option.
    """
    features = math.prod(image_shape)
    stages = []
    for index in range(config.depth):
        linear = partial(nn.Linear, features)
        stages.append(stage(linear, config.width, config, *_dropouts(config, index)))
        features = config.width
    network = Network(prepare=nn.Flatten(), stages=stages, pool=nn.Identity(), output=nn.Linear(features, classes))
    initialize_network(network, config, slope(config.activation))
    return network


def _dropouts(config: MlpConfig, index: int) -> list[nn.Module]:
    """What drops units of the hidden layer with this 0-based index, counted from the input."""
    if index < config.depth - (config.dropout_layers or config.depth):
        return []
    plain: list[nn.Module] = [nn.Dropout(config.dropout)] if config.dropout > 0 else []
    return plain + ([nn.AlphaDropout(config.alpha_dropout)] if config.alpha_dropout > 0 else [])
