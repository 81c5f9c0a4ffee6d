"""The residual network, in the form of He et al. (2015, section 4.2) for CIFAR-10."""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from objectives.models.config import CnnConfig, ImageShape, check_pooling
from objectives.models.layers import (
    build_affine_part,
    build_image_network,
    build_image_parts,
    build_nonlinear_part,
    build_stage,
    count_widening,
    prepend,
)
from objectives.models.network import Network


class Residual(nn.Module):
    """A residual block: activation(branch(x) + shortcut(x))."""

    def __init__(self, *, branch: nn.Sequential, shortcut: nn.Module, activation: nn.Sequential) -> None:
        super().__init__()
        self.branch = branch
        self.shortcut = shortcut
        self.activation = activation

    def forward(self, x_BCHW: Tensor) -> Tensor:
        y_BCHW: Tensor = self.activation(self.branch(x_BCHW) + self.shortcut(x_BCHW))
        return y_BCHW


def build_resnet(config: CnnConfig, image_shape: ImageShape, classes: int) -> Network:
    """Return a 3x3 convolution followed by `depth` residual blocks of two 3x3 convolutions.

    `pool_rounds` of the blocks halve the image and double the width. One block is one stage, and the first convolution
    belongs to the first stage. If a block changes the shape, its shortcut is a 1x1 convolution (the paper's option B);
    a gated activation changes it in every block (option C).

    Raises:
        ObjectiveError: the image is too small for this many halvings; or a name or option is unknown.
    """
    check_pooling(config.pool_rounds, image_shape)
    strided = strided_blocks(config.depth, config.pool_rounds)
    parts, inputs = build_image_parts(config, image_shape)
    stem = build_stage(partial(nn.Conv2d, inputs, kernel_size=3, padding=1), config.width, config)
    stages: list[nn.Module] = []
    channels = config.width
    for block in range(config.depth):
        units = channels * 2 if block in strided else channels
        residual = _build_residual(channels, units, 2 if block in strided else 1, config)
        stages.append(residual if stages else nn.Sequential(stem, residual))
        channels = units
    return build_image_network(prepend(parts, stages), channels, config, classes)


def strided_blocks(depth: int, rounds: int) -> frozenset[int]:
    """Return the 0-based blocks that start with stride 2: they divide `depth` blocks into `rounds` + 1 equal groups.

    The first block is one of them only if every block halves the image.

    >>> sorted(strided_blocks(9, 2))
    [3, 6]
    """
    return frozenset(index * depth // (rounds + 1) for index in range(1, rounds + 1))


def _build_residual(channels: int, units: int, stride: int, config: CnnConfig) -> Residual:
    first = partial(nn.Conv2d, channels, kernel_size=3, stride=stride, padding=1)
    second = partial(nn.Conv2d, units, kernel_size=3, padding=1)
    branch = nn.Sequential(
        *build_affine_part(first, units, config),
        *build_nonlinear_part(units, config),
        *build_affine_part(second, units, config),
    )
    shortcut: nn.Module = nn.Identity()
    if stride != 1 or channels != units * count_widening(config.activation):
        projection = partial(nn.Conv2d, channels, kernel_size=1, stride=stride)
        shortcut = nn.Sequential(*build_affine_part(projection, units, config))
    return Residual(
        branch=branch,
        shortcut=shortcut,
        activation=nn.Sequential(*build_nonlinear_part(units, config)),
    )
