"""The multilayer perceptron."""

from __future__ import annotations

import math
from functools import partial

from torch import nn

from objectives.models.config import ImageShape, MlpConfig
from objectives.models.layers import build_input_parts, build_stage, find_slope, initialize_network, prepend
from objectives.models.network import Network


def build_mlp(config: MlpConfig, image_shape: ImageShape, classes: int) -> Network:
    """Return a network that flattens images and has `depth` stages: linear layer, normalization, activation, dropout.

    Raises:
        ObjectiveError: a name or an option is unknown.
    """
    features = math.prod(image_shape)
    stages: list[nn.Module] = []
    for index in range(config.depth):
        linear = partial(nn.Linear, features)
        stages.append(build_stage(linear, config.width, config, *_build_dropouts(config, index)))
        features = config.width
    stages = prepend(build_input_parts(config, math.prod(image_shape), False), stages)
    network = Network(prepare=nn.Flatten(), stages=stages, pool=nn.Identity(), output=nn.Linear(features, classes))
    initialize_network(network, config, find_slope(config.activation))
    return network


def _build_dropouts(config: MlpConfig, index: int) -> list[nn.Module]:
    """Return the dropout modules of the hidden layer with this 0-based index, counted from the input."""
    if index < config.depth - (config.dropout_layers or config.depth):
        return []
    plain: list[nn.Module] = [nn.Dropout(config.dropout)] if config.dropout > 0 else []
    return plain + ([nn.AlphaDropout(config.alpha_dropout)] if config.alpha_dropout > 0 else [])
