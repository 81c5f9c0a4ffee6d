"""The common structure of all shipped networks. B: batch, C: channels, H, W: size, K: classes, F: features."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class Network(nn.Module):
    """Stages from the input upwards, then pooling to one vector per image, then a linear output layer.

    Takes images (B, C, H, W) and returns logits (B, K). `stages` are the parts that can be reused and frozen, and that
    `depth` counts: the hidden layers of a multilayer perceptron, the blocks of a convolutional network, the layers of
    a recurrent network.
    """

    def __init__(self, *, prepare: nn.Module, stages: Sequence[nn.Module], pool: nn.Module, output: nn.Linear) -> None:
        super().__init__()
        self.prepare = prepare
        self.stages = nn.ModuleList(stages)
        self.pool = pool
        self.output = output

    def features(self, x_BCHW: Tensor) -> Tensor:
        """Return the inputs of the output layer, (B, F)."""
        x: Tensor = self.prepare(x_BCHW)
        for stage in self.stages:
            x = stage(x)
        features_BF: Tensor = self.pool(x)
        return features_BF

    def forward(self, x_BCHW: Tensor) -> Tensor:
        logits_BK: Tensor = self.output(self.features(x_BCHW))
        return logits_BK
