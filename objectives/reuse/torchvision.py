"""Networks of torchvision for an objective's `build_model`; importing this loads no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spaces import Configuration

if TYPE_CHECKING:
    from objectives.reuse.torchvision_networks import TorchvisionNetwork


@dataclass(frozen=True, kw_only=True)
class _Builder:
    """A `build_model` of one architecture."""

    architecture: str
    input_size: int
    mean: Sequence[float]
    std: Sequence[float]

    def __call__(self, config: Configuration) -> TorchvisionNetwork:
        from objectives.reuse.torchvision_networks import build_torchvision_network

        return build_torchvision_network(
            self.architecture, config["classes"], input_size=self.input_size, mean=self.mean, std=self.std
        )


def torchvision_network(
    architecture: str,
    *,
    input_size: int = 224,
    mean: Sequence[float] = (0.485, 0.456, 0.406),
    std: Sequence[float] = (0.229, 0.224, 0.225),
) -> _Builder:
    """Return a `build_model` that makes a network of torchvision, whose stages can be loaded from a file.

    Args:
        architecture: a name of torchvision, such as `resnet18`.
        input_size: pixels of a side, to which images are resized on the device.
        mean, std: of each channel, of the images that the file's weights were trained on; by default ImageNet's.
    """
    return _Builder(architecture=architecture, input_size=input_size, mean=tuple(mean), std=tuple(std))
