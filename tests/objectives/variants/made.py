"""Small networks with everything that variants act on. B: batch, C: channels, H, W: height and width."""

from __future__ import annotations

import torch
from torch import Tensor, nn

IMAGE = (3, 8, 8)
CLASSES = 5


def images(count: int = 16) -> Tensor:
    """Standard normal images, the same each time."""
    return torch.randn(count, *IMAGE, generator=torch.Generator().manual_seed(1))


def lived_in(model: nn.Module, seed: int = 2) -> nn.Module:
    """The network in evaluation mode, its norms with statistics, scales and shifts as training leaves them."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 2, generator=generator)
            module.running_var.uniform_(0.1, 4, generator=generator)
            nn.init.normal_(module.weight, 1, 0.5, generator=generator)
            nn.init.normal_(module.bias, 0, 1, generator=generator)
    return model.eval()


def dense(dropout: float = 0.4) -> nn.Module:
    """Two hidden layers with batch norm and dropout."""
    torch.manual_seed(0)
    pixels = IMAGE[0] * IMAGE[1] * IMAGE[2]
    return lived_in(
        nn.Sequential(
            nn.Flatten(),
            nn.Sequential(nn.Linear(pixels, 32, bias=False), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(dropout)),
            nn.Sequential(nn.Linear(32, 20), nn.BatchNorm1d(20), nn.ReLU(), nn.Dropout(dropout)),
            nn.Linear(20, CLASSES),
        )
    )


def convolutional() -> nn.Module:
    """Two convolutions with batch norm, on channels-last memory as the shipped ones are."""
    torch.manual_seed(0)
    return lived_in(
        nn.Sequential(
            nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU()),
            nn.Sequential(nn.Conv2d(8, 12, 3, stride=2), nn.BatchNorm2d(12), nn.ReLU(), nn.Dropout2d(0.3)),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(12, CLASSES),
        ).to(memory_format=torch.channels_last)
    )


def states_equal(one: nn.Module, other: nn.Module) -> bool:
    """Whether two networks have the same weights and buffers under the same names, bit for bit."""
    first, second = one.state_dict(), other.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
