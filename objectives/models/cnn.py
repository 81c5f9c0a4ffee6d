"""The convolutional network. B: batch, C: channels, H, W: height and width, K: classes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from objectives.core.errors import ObjectiveError
from objectives.models.config import CnnConfig, ImageShape
from objectives.models.layers import activation, initialize, slope


class Cnn(nn.Module):
    """`depth` blocks of 3x3 convolution (batch norm) activation, pooled and widened `pool_rounds` times.

    Takes images (B, C, H, W), gives logits (B, K).

    Raises:
        ObjectiveError: the image is too small for so many rounds of pooling.
    """

    def __init__(self, config: CnnConfig, image_shape: ImageShape, classes: int) -> None:
        super().__init__()
        channels, height, width = image_shape
        if min(height, width) >> config.pool_rounds < 1:
            raise ObjectiveError(
                f"{config.pool_rounds} rounds of pooling would shrink {height}x{width} images below 1x1; "
                f"use at most {min(height, width).bit_length() - 1}"
            )
        blocks: list[nn.Module] = []
        pooled = pooled_blocks(config.depth, config.pool_rounds)
        units = config.width
        for block in range(config.depth):
            blocks.append(nn.Conv2d(channels, units, 3, padding=1, bias=not config.batch_norm))
            if config.batch_norm:
                blocks.append(nn.BatchNorm2d(units))
            blocks.append(activation(config.activation))
            channels = units
            if block in pooled:
                blocks.append(nn.MaxPool2d(2))
                units *= 2
        self.blocks = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(config.dropout)
        self.output = nn.Linear(channels, classes)
        initialize(self, config.initializer, slope(config.activation))
        # Convolutions on channels-last memory are about twice as fast on CPUs and tensor cores.
        self.to(memory_format=torch.channels_last)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        pooled_BC = self.blocks(x_BCHW).mean(dim=(2, 3))
        logits_BK: Tensor = self.output(self.dropout(pooled_BC))
        return logits_BK


def pooled_blocks(depth: int, rounds: int) -> frozenset[int]:
    """The 0-based blocks that end in pooling: `rounds` of them, spread evenly over `depth`.

    >>> sorted(pooled_blocks(6, 2))
    [2, 5]
    """
    return frozenset((index + 1) * depth // rounds - 1 for index in range(rounds))
