"""The multilayer perceptron. B: batch, C: channels, H, W: height and width, K: classes."""

from __future__ import annotations

from torch import Tensor, nn

from objectives.models.config import ImageShape, MlpConfig
from objectives.models.layers import activation, initialize, slope


class Mlp(nn.Module):
    """Flatten, then `depth` times linear (batch norm) activation (dropout), then a linear output layer.

    Takes images (B, C, H, W), gives logits (B, K).
    """

    def __init__(self, config: MlpConfig, image_shape: ImageShape, classes: int) -> None:
        super().__init__()
        channels, height, width = image_shape
        features = channels * height * width
        layers: list[nn.Module] = []
        for _ in range(config.depth):
            layers.append(nn.Linear(features, config.width, bias=not config.batch_norm))
            if config.batch_norm:
                layers.append(nn.BatchNorm1d(config.width))
            layers.append(activation(config.activation))
            if config.dropout > 0:
                layers.append(nn.Dropout(config.dropout))
            features = config.width
        self.hidden = nn.Sequential(*layers)
        self.output = nn.Linear(features, classes)
        initialize(self, config.initializer, slope(config.activation))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        logits_BK: Tensor = self.output(self.hidden(x_BCHW.flatten(1)))
        return logits_BK
