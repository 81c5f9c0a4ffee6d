"""A network with its preprocessing in it. B: batch, H, W: height and width, C: channels, K: classes, P: H * W * C."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from objectives.variants.copying import copy_for_prediction


class StandaloneNetwork(nn.Module):
    """From images as they are stored, uint8 (B, H, W, C), to probabilities, float32 (B, K).

    mean, std: one number for each channel, for pixels from 0 to 1. shape: height, width and channels.
    """

    scale: Tensor
    shift: Tensor

    def __init__(
        self, model: nn.Module, *, mean: Sequence[float], std: Sequence[float], shape: tuple[int, int, int]
    ) -> None:
        super().__init__()
        self.model = _fix_slopes(copy_for_prediction(model))
        height, width, _ = shape
        scale = torch.tensor([1 / (255 * each) for each in std], dtype=torch.float64)
        shift = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)], dtype=torch.float64)
        self.register_buffer("scale", scale.to(torch.float32).expand(height, width, -1).contiguous())
        self.register_buffer("shift", shift.to(torch.float32).expand(height, width, -1).contiguous())
        for tensor in (*self.parameters(), *self.buffers()):
            tensor.requires_grad_(False)
            tensor.data = tensor.data.clone()  # a part of a larger tensor would be saved with all of it

    def forward(self, images: Tensor) -> Tensor:
        logits_BK: Tensor = self.model(self.prepare(images))
        return logits_BK.float().softmax(dim=1)

    def prepare(self, images_BHWC: Tensor) -> Tensor:
        """Return images as the network itself takes them: normalized, float32 (B, C, H, W)."""
        x_BHWC = images_BHWC.to(torch.float32) * self.scale + self.shift
        return x_BHWC.permute(0, 3, 1, 2)


def _fix_slopes(model: nn.Module) -> nn.Module:
    """Put leaky ReLUs in the place of randomized ones, which predict the same; ONNX has no randomized one."""
    for parent in list(model.modules()):
        for name, module in list(parent.named_children()):
            if type(module) is nn.RReLU:
                setattr(parent, name, nn.LeakyReLU((module.lower + module.upper) / 2))
    return model


@dataclass(frozen=True, kw_only=True)
class CheckedNetwork:
    """A network with its preprocessing in it, and what it must predict for some images."""

    standalone: StandaloneNetwork
    labels: tuple[str, ...]
    images: NDArray[np.uint8] = field(repr=False)
    """Of validation, (N, height, width, channels)."""
    probabilities: NDArray[np.float32] = field(repr=False)
    """What the study's own code predicts for them, (N, classes)."""
