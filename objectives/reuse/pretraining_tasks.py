"""Pretraining tasks on images without labels. B: batch, C: channels, H, W: height and width, F: features."""

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
    """The decoder of an autoencoder: one hidden layer from features to pixels (Hinton & Salakhutdinov 2006)."""

    def __init__(self, features: int, image_shape: ImageShape) -> None:
        super().__init__()
        self.decoder = nn.Sequential(
            nn.Linear(features, DECODER_UNITS), nn.ReLU(), nn.Linear(DECODER_UNITS, math.prod(image_shape))
        )

    def forward(self, network: Network, x_BCHW: Tensor) -> Tensor:
        """Return the mean squared error of the reconstructed pixels, which are normalized."""
        return F.mse_loss(self.decoder(network.features(x_BCHW)).float(), x_BCHW.flatten(1))


class Rotation(nn.Module):
    """The head that predicts which of four quarter turns an image was given (Gidaris et al. 2018).

    Raises:
        ObjectiveError: the images are not square.
    """

    def __init__(self, features: int, image_shape: ImageShape) -> None:
        super().__init__()
        _, height, width = image_shape
        if height != width:
            raise ObjectiveError(
                f"reuse 'auxiliary' turns images by 90 degrees and needs square ones, but these are "
                f"{height}x{width} pixels; use reuse 'pretrain', or set the objective's image_size"
            )
        self.head = nn.Linear(features, TURNS)

    def forward(self, network: Network, x_BCHW: Tensor) -> Tensor:
        """Return the mean cross-entropy in nats, which is ln 4 by chance."""
        turned_BCHW, turns_B = rotate_quarters(x_BCHW)
        return F.cross_entropy(self.head(network.features(turned_BCHW)).float(), turns_B)


def rotate_quarters(x_BCHW: Tensor) -> tuple[Tensor, Tensor]:
    """Return the images, each quarter of the batch turned by a different multiple of 90 degrees, and the turns.

    The turns are int64, (B,), from 0 to 3. Batches are in random order, so an image's turn varies between epochs.
    """
    parts = list(enumerate(x_BCHW.tensor_split(TURNS)))
    images_BCHW = torch.cat([part.rot90(turns, (2, 3)) for turns, part in parts])
    turns_B = torch.cat([torch.full((len(part),), turns, device=x_BCHW.device) for turns, part in parts])
    return images_BCHW, turns_B
