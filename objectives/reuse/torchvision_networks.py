"""Networks of torchvision in stages, so that the lowest of them can be taken from a file of weights.

B: batch, C: channels, H, W: size.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision import models

from objectives.base.errors import ObjectiveError
from objectives.models.network import Network
from spaces.suggestions import suggest_and_list

# Networks of the second kind are `features`, pooling and a `classifier` that ends in a linear layer.
_RESNETS = models.ResNet
_CLASSIFIERS = (models.VGG, models.MobileNetV2, models.MobileNetV3, models.EfficientNet, models.ConvNeXt)
_MODULES = tuple(f"torchvision.models.{name}" for name in ("resnet", "vgg", "mobilenetv2", "mobilenetv3"))
_MODULES += ("torchvision.models.efficientnet", "torchvision.models.convnext")


class FitImages(nn.Module):
    """Resizes images to a network's input, makes them colour, and normalizes them as that network's were.

    size: pixels of a side. The normalization does nothing until `set_normalization` is called.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.scale: Tensor
        self.shift: Tensor
        self.register_buffer("scale", torch.ones(3, 1, 1))
        self.register_buffer("shift", torch.zeros(3, 1, 1))

    def set_normalization(
        self, images: tuple[Sequence[float], Sequence[float]], network: tuple[Sequence[float], Sequence[float]]
    ) -> None:
        """Normalize by the network's mean and deviation what comes normalized by the images' own."""
        (mean, std), (mean_there, std_there) = (
            tuple(torch.tensor(values, device=self.scale.device).expand(3).view(3, 1, 1) for values in pair)
            for pair in (images, network)
        )
        self.scale.copy_(std / std_there)
        self.shift.copy_((mean - mean_there) / std_there)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        size = (self.size, self.size)
        if x_BCHW.shape[2:] != size:
            smaller = min(x_BCHW.shape[2:]) > self.size
            x_BCHW = F.interpolate(x_BCHW, size=size, mode="bilinear", align_corners=False, antialias=smaller)
        return x_BCHW * self.scale + self.shift


class TorchvisionNetwork(Network):
    """A network of torchvision with a new output layer.

    normalization: mean and standard deviation of each channel that the weights in a file were trained with.
    """

    def __init__(
        self,
        *,
        prepare: FitImages,
        stages: Sequence[nn.Module],
        pool: nn.Module,
        output: nn.Linear,
        normalization: tuple[Sequence[float], Sequence[float]],
    ) -> None:
        super().__init__(prepare=prepare, stages=stages, pool=pool, output=output)
        self.fit_images = prepare
        self.normalization = normalization


def build_torchvision_network(
    architecture: str,
    classes: int,
    *,
    input_size: int,
    mean: Sequence[float],
    std: Sequence[float],
) -> TorchvisionNetwork:
    """Return an untrained network of torchvision in stages.

    A residual network's stages are its stem and its four layers; those of the others are the parts of `features`.

    Args:
        architecture: a name of torchvision, such as `resnet18`.
        input_size: pixels of a side, to which images are resized.
        mean, std: of each channel, of the images that weights in a file were trained on, for pixels from 0 to 1.

    Raises:
        ObjectiveError: the name is unknown or of a network that cannot be divided, or the size is below 32.
    """
    names = [name for name in models.list_models() if models.get_model_builder(name).__module__ in _MODULES]
    if architecture not in names:
        raise ObjectiveError(f"unknown torchvision network {architecture!r}; {suggest_and_list(architecture, names)}")
    if input_size < 32:
        raise ObjectiveError(f"input_size must be at least 32 pixels, but got input_size={input_size}")
    whole = models.get_model(architecture, weights=None)
    parts, pool, output = _divide(whole)
    return TorchvisionNetwork(
        prepare=FitImages(input_size),
        stages=[nn.Sequential(OrderedDict(part)) for part in parts],
        pool=pool,
        output=nn.Linear(output.in_features, classes),
        normalization=(mean, std),
    )


def name_in_file(name: str) -> str:
    """Return the name that torchvision gives to a tensor of a stage."""
    return name.replace("features_", "features.", 1)


def _divide(whole: nn.Module) -> tuple[list[list[tuple[str, nn.Module]]], nn.Module, nn.Linear]:
    """Return the stages as named modules, what follows them, and the output layer."""
    if isinstance(whole, _RESNETS):
        stem = [(name, getattr(whole, name)) for name in ("conv1", "bn1", "relu", "maxpool")]
        layers = [[(name, getattr(whole, name))] for name in ("layer1", "layer2", "layer3", "layer4")]
        return [stem, *layers], nn.Sequential(whole.avgpool, nn.Flatten()), whole.fc
    assert isinstance(whole, _CLASSIFIERS)
    *hidden, output = whole.classifier
    pool = getattr(whole, "avgpool", nn.AdaptiveAvgPool2d(1))
    flatten = [] if any(isinstance(layer, nn.Flatten) for layer in hidden) else [nn.Flatten()]
    parts = [[(f"features_{name}", part)] for name, part in whole.features.named_children()]
    return parts, nn.Sequential(pool, *flatten, *hidden), output
