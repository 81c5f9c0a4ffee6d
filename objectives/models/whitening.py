"""A first layer that whitens patches of images. B: batch, C: channels, H, W: size, P: values of a patch, N: patches."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PATCHES = 1_000_000
"""Of how many patches the statistics are taken; an image of 32 x 32 has about 1,000."""
BATCH = 100
"""Images in a batch that the patches are taken from."""
_PIECE = 100_000
"""Patches in memory at a time, one image's at least."""
EPSILON = 5e-4
"""Added to the variances of directions, so that those without variance do not become noise (Jordan 2024)."""


class PatchWhitening(nn.Module):
    """A frozen convolution whose outputs are a patch's whitened values and their negatives, (B, 2P, H, W).

    Over the patches of the images that it was fitted to, outputs have mean 0 and an identity covariance (but for
    `EPSILON`); before that, they are the patch's values themselves. The activation that follows keeps one of each
    value and its negative, as in Jordan 2024 (airbench); `copies` repeats all for the halves of a gated one. Weights
    and biases are buffers: no optimizer, penalty, constraint, pruning or unfreezing reaches them.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, channels: int, side: int, copies: int = 1) -> None:
        super().__init__()
        self.side, self.copies = side, copies
        values = channels * side**2
        self.register_buffer("weight", torch.empty(2 * copies * values, channels, side, side))
        self.register_buffer("bias", torch.empty(2 * copies * values))
        self._set(torch.eye(values), torch.zeros(values))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        before, after = (self.side - 1) // 2, self.side // 2  # an image of the same size, also with even sides
        return F.conv2d(F.pad(x_BCHW, (before, after, before, after)), self.weight, self.bias)

    def fit(self, batches: Iterable[Tensor]) -> None:
        """Compute weights and biases from batches of images (B, C, H, W)."""
        self._set(*compute_whitening(*compute_patch_moments(batches, self.side)))

    def extra_repr(self) -> str:
        """Return what `print` shows."""
        return f"{self.weight.shape[1]}, {len(self.weight)}, side={self.side}"

    def _set(self, matrix_PP: Tensor, mean_P: Tensor) -> None:
        signed = torch.cat([matrix_PP, -matrix_PP] * self.copies)
        self.weight.copy_(signed.reshape(self.weight.shape))
        self.bias.copy_(-signed @ mean_P)


def whiten_patches(network: nn.Module, images: Callable[[], Iterable[Tensor]]) -> None:
    """Fit every whitening layer of a network to the first batches of images (B, C, H, W) that `images` returns."""
    for module in network.modules():
        if isinstance(module, PatchWhitening):
            module.fit(images())


def compute_patch_moments(batches: Iterable[Tensor], side: int) -> tuple[Tensor, Tensor]:
    """Return the covariance (P, P) and the mean (P,) of patches that lie within images, in float64.

    Once there are `PATCHES`, no further images count.
    """
    count, total, products = 0, torch.zeros(()), torch.zeros(())
    for piece_BCHW in (piece for x_BCHW in batches for piece in _cut(x_BCHW)):
        # On the CPU, because some devices have no float64, and for the same numbers on all.
        patches_NP = F.unfold(piece_BCHW.cpu().double(), side).transpose(1, 2).flatten(0, 1)
        count += len(patches_NP)
        total = total + patches_NP.sum(0)
        products = products + patches_NP.T @ patches_NP
        if count >= PATCHES:
            break
    mean_P = total / count
    return products / count - mean_P.outer(mean_P), mean_P


def _cut(x_BCHW: Tensor) -> tuple[Tensor, ...]:
    return torch.split(x_BCHW, max(1, _PIECE // x_BCHW[0, 0].numel()))


def compute_whitening(covariance_PP: Tensor, mean_P: Tensor, epsilon: float = EPSILON) -> tuple[Tensor, Tensor]:
    """Return the matrix (P, P) that gives values of this covariance the identity's, strongest first, and the mean.

    Its rows are eigenvectors, each divided by the standard deviation in its direction.
    """
    variances_P, directions_PP = torch.linalg.eigh(covariance_PP)
    matrix_PP = (directions_PP / (variances_P.clamp_min(0) + epsilon).sqrt()).T.flip(0)
    return matrix_PP, mean_P
