"""Random changes of images: the numbers that are drawn for an epoch, and what they do to a batch.

The changes are pure functions of a batch (uint8 or float) and of numbers drawn before.
Shapes: B images of a batch, N of an epoch, C channels, H height, W width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from objectives.data.batches.augmentation import Augmentation


@dataclass(frozen=True, kw_only=True, eq=False)
class Draws:
    """Random numbers, one row for each of N images: those of an epoch in its order, or of a batch.

    flip_N: bool, whether to mirror. offset_N2: int64, the top left corner of a crop's window, 0 to 2 * augment.crop.
    centre_N2: int64, row and column of a cutout's centre.
    """

    augment: Augmentation
    flip_N: Tensor
    offset_N2: Tensor
    centre_N2: Tensor

    def pick(self, rows: slice | Tensor) -> Draws:
        """Return the rows with these positions (int64)."""
        return Draws(
            augment=self.augment,
            flip_N=self.flip_N[rows],
            offset_N2=self.offset_N2[rows],
            centre_N2=self.centre_N2[rows],
        )

    def copy_(self, other: Draws) -> None:
        """Overwrite the numbers in place by those of as many images."""
        self.flip_N.copy_(other.flip_N)
        self.offset_N2.copy_(other.offset_N2)
        self.centre_N2.copy_(other.centre_N2)

    def move(self, x_NHWC: Tensor) -> Tensor:
        """Return the images, cropped and flipped as drawn; the pixels are raw, and 0 is black."""
        if self.augment.crop:
            x_NHWC = crop(x_NHWC, self.offset_N2, self.augment.crop)
        return flip(x_NHWC, self.flip_N) if self.augment.flip else x_NHWC

    def wipe(self, x_NHWC: Tensor) -> Tensor:
        """Return the images with their squares cut out; the pixels are normalized, and 0 is the mean."""
        return cut_out(x_NHWC, self.centre_N2, self.augment.cutout) if self.augment.cutout else x_NHWC


def draw(
    augment: Augmentation, count: int, height: int, width: int, generator: torch.Generator, device: torch.device
) -> Draws:
    """Draw the numbers for `count` images of height x width pixels, from a generator on the CPU.

    All numbers are drawn, even for changes that are switched off, so that a change does not depend on the others.
    Numbers from the CPU are the same on every device.
    """
    uniform = torch.rand((count, 5), generator=generator, dtype=torch.float64)
    sides = torch.tensor([height, width])
    return Draws(
        augment=augment,
        flip_N=(uniform[:, 0] < 0.5).to(device),
        offset_N2=(uniform[:, 1:3] * (2 * augment.crop + 1)).long().to(device),
        centre_N2=(uniform[:, 3:5] * sides).long().to(device),
    )


def flip(x_BHWC: Tensor, flip_B: Tensor) -> Tensor:
    """Return the images, mirrored left to right where `flip_B` (bool) says so."""
    B, H, W, C = x_BHWC.shape
    kept = torch.arange(W * C, device=x_BHWC.device)
    mirrored = kept.view(W, C).flip(0).flatten()
    columns = torch.where(flip_B[:, None], mirrored, kept)
    return x_BHWC.reshape(B, H, W * C).gather(2, columns[:, None].expand(B, H, W * C)).view(B, H, W, C)


def crop(x_BHWC: Tensor, offset_B2: Tensor, padding: int) -> Tensor:
    """Return a window of the image's own size from each image, padded with zeros on every side.

    offset_B2: int64, the window's top and left in the padded image, 0 to 2 * padding; if both equal `padding`,
    nothing moves. padding: pixels.
    """
    B, H, W, C = x_BHWC.shape
    p = padding
    padded = torch.nn.functional.pad(x_BHWC, (0, 0, p, p, p, p))
    image, row, column, channel = padded.stride()
    # A view of all windows of every image, of which one is copied; this needs no index for each pixel.
    shape, stride = (B, 2 * p + 1, 2 * p + 1, H, W, C), (image, row, column, row, column, channel)
    windows = padded.as_strided(shape, stride)
    return windows[torch.arange(B, device=x_BHWC.device), offset_B2[:, 0], offset_B2[:, 1]]


def cut_out(x_BHWC: Tensor, centre_B2: Tensor, side: int) -> Tensor:
    """Return the images, each with a square of zeros, or the part of it that lies inside.

    centre_B2: int64, row and column of the square's central pixel; the lower right one of four if `side` is even.
    side: pixels, 1 or more.
    """
    first_B2 = centre_B2 - side // 2

    def inside(pixels: int, axis: int) -> Tensor:
        from_first = torch.arange(pixels, device=x_BHWC.device) - first_B2[:, axis : axis + 1]
        return (from_first >= 0) & (from_first < side)

    _, H, W, _ = x_BHWC.shape
    square_BHW = inside(H, 0)[:, :, None] & inside(W, 1)[:, None, :]
    return x_BHWC.masked_fill(square_BHW[..., None], 0)
