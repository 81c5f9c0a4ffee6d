"""What a network can learn from images without labels. B: batch, C: channels, H, W: height, width, F: features."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from objectives.base.errors import ObjectiveError
from objectives.models.config import ImageShape
from objectives.models.network import Network

DECODER_UNITS = 256
TURNS = 4


class Reconstruction(nn.Module):
    """An autoencoder (Hinton & Salakhutdinov 2006): one hidden layer from the features back to the pixels."""

    def __init__(self, features: int, image_shape: ImageShape) -> None:
        super().__init__()
        self.decoder = nn.Sequential(
            nn.Linear(features, DECODER_UNITS), nn.ReLU(), nn.Linear(DECODER_UNITS, math.prod(image_shape))
        )

    def forward(self, network: Network, x_BCHW: Tensor) -> Tensor:
        """The mean squared error of the pixels, normalized as the network sees them."""
        return F.mse_loss(self.decoder(network.features(x_BCHW)).float(), x_BCHW.flatten(1))


class Rotation(nn.Module):
    """Which of four quarter turns was an image given (Gidaris et al. 2018)?

    Raises:
        ObjectiveError: the images are not square.
    """

    def __init__(self, features: int, image_shape: ImageShape) -> None:
        super().__init__()
        _, height, width = image_shape
        if height != width:
            raise ObjectiveError(
                f"reuse 'auxiliary' turns images by 90 degrees and needs square ones, but these are "
                f"{height}x{width} pixels; use reuse 'pretrain', or give the objective an image_size"
            )
        self.head = nn.Linear(features, TURNS)

    def forward(self, network: Network, x_BCHW: Tensor) -> Tensor:
        """The mean cross-entropy in nats, of chance ln 4."""
        turned_BCHW, turns_B = rotate_quarters(x_BCHW)
        return F.cross_entropy(self.head(network.features(turned_BCHW)).float(), turns_B)


def rotate_quarters(x_BCHW: Tensor) -> tuple[Tensor, Tensor]:
    """The images, each quarter of the batch turned by another multiple of 90 degrees, and by which (int64, B).

    The batch is in random order, so that the turn of an image is another one each time.
    """
    parts = list(enumerate(x_BCHW.tensor_split(TURNS)))
    images_BCHW = torch.cat([part.rot90(turns, (2, 3)) for turns, part in parts])
    turns_B = torch.cat([torch.full((len(part),), turns, device=x_BCHW.device) for turns, part in parts])
    return images_BCHW, turns_B
