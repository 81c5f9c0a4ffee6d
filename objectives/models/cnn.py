"""The convolutional network."""

from __future__ import annotations

from functools import partial

from torch import nn

from objectives.models.config import CnnConfig, ImageShape, check_pooling
from objectives.models.layers import build_image_network, build_image_parts, build_stage, prepend
from objectives.models.network import Network


def build_cnn(config: CnnConfig, image_shape: ImageShape, classes: int) -> Network:
    """Return a network of `depth` 3x3 convolutions, `pool_rounds` of them followed by 2x2 max pooling.

    The stages after a pooling are twice as wide as those before it.

    Raises:
        ObjectiveError: the image is too small for this many rounds of pooling; or a name or option is unknown.
    """
    check_pooling(config.pool_rounds, image_shape)
    pooled = pooled_blocks(config.depth, config.pool_rounds)
    parts, channels = build_image_parts(config, image_shape)
    units = config.width
    stages = []
    for block in range(config.depth):
        convolution = partial(nn.Conv2d, channels, kernel_size=3, padding=1)
        pooling = [nn.MaxPool2d(2)] if block in pooled else []
        stages.append(build_stage(convolution, units, config, *pooling))
        channels, units = units, units * 2 if pooling else units
    return build_image_network(prepend(parts, stages), channels, config, classes)


def pooled_blocks(depth: int, rounds: int) -> frozenset[int]:
    """Return the 0-based blocks that end in pooling: `rounds` of them, spread evenly over `depth`.

    >>> sorted(pooled_blocks(6, 2))
    [2, 5]
    """
    return frozenset((index + 1) * depth // rounds - 1 for index in range(rounds))
