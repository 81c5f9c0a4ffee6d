"""The convolutional network."""

from __future__ import annotations

from functools import partial

from torch import nn

from objectives.models.config import CnnConfig, ImageShape, check_pooling
from objectives.models.layers import build_image_network, stage
from objectives.models.network import Network


def build_cnn(config: CnnConfig, image_shape: ImageShape, classes: int) -> Network:
    """`depth` stages of a 3x3 convolution, `pool_rounds` of them ending in 2x2 max pooling.

    The stages after a pooling are twice as wide as those before it.

    Raises:
        ObjectiveError: the image is too small for so many rounds of pooling; an unknown name or option.
    """
    check_pooling(config.pool_rounds, image_shape)
    pooled = pooled_blocks(config.depth, config.pool_rounds)
    channels, units = image_shape[0], config.width
    stages = []
    for block in range(config.depth):
        convolution = partial(nn.Conv2d, channels, kernel_size=3, padding=1)
        pooling = [nn.MaxPool2d(2)] if block in pooled else []
        stages.append(stage(convolution, units, config, *pooling))
        channels, units = units, units * 2 if pooling else units
    return build_image_network(stages, channels, config, classes)


def pooled_blocks(depth: int, rounds: int) -> frozenset[int]:
    """The 0-based blocks that end in pooling: `rounds` of them, spread evenly over `depth`.

    >>> sorted(pooled_blocks(6, 2))
    [2, 5]
    """
    return frozenset((index + 1) * depth // rounds - 1 for index in range(rounds))
