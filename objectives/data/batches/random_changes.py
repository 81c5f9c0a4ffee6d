"""Random changes of images: the numbers that are drawn for an epoch, and what they do to a batch.

The changes are pure functions of a batch (uint8 or float) and of numbers drawn before.
Shapes: B images of a batch, N of an epoch, C channels, H height, W width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from objectives.data.batches.augmentation import Augmentation

LUMA = (0.2989, 0.587, 0.114)
"""The share of red, green and blue in gray, as torchvision rounds them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Draws:
    """Random numbers, one row for each of N images: those of an epoch in its order, or of a batch.

    flip_N: bool, whether to mirror. offset_N2: int64, the top left corner of a crop's window, 0 to 2 * augment.crop.
    centre_N2: int64, row and column of a cutout's centre. factor_N2: float32, of brightness and contrast.
    """

    augment: Augmentation
    flip_N: Tensor
    offset_N2: Tensor
    centre_N2: Tensor
    factor_N2: Tensor

    def pick(self, rows: slice | Tensor) -> Draws:
        """Return the rows with these positions (int64)."""
        return Draws(
            augment=self.augment,
            flip_N=self.flip_N[rows],
            offset_N2=self.offset_N2[rows],
            centre_N2=self.centre_N2[rows],
            factor_N2=self.factor_N2[rows],
        )

    def copy_(self, other: Draws) -> None:
        """Overwrite the numbers in place by those of as many images."""
        self.flip_N.copy_(other.flip_N)
        self.offset_N2.copy_(other.offset_N2)
        self.centre_N2.copy_(other.centre_N2)
        self.factor_N2.copy_(other.factor_N2)

    def move(self, x_NHWC: Tensor) -> Tensor:
        """Return the images, cropped and flipped as drawn; the pixels are raw, and 0 is black."""
        if self.augment.crop:
            x_NHWC = crop(x_NHWC, self.offset_N2, self.augment.crop, self.augment.crop_padding)
        return flip(x_NHWC, self.flip_N) if self.augment.flip or self.augment.alternating_flip else x_NHWC

    def recolour(self, x_NHWC: Tensor) -> Tensor:
        """Return the images with brightness and contrast as drawn; the pixels are raw, uint8 or float32."""
        if self.augment.brightness:
            x_NHWC = brighten(x_NHWC, self.factor_N2[:, 0])
        return change_contrast(x_NHWC, self.factor_N2[:, 1]) if self.augment.contrast else x_NHWC

    def wipe(self, x_NHWC: Tensor) -> Tensor:
        """Return the images with their squares cut out; the pixels are normalized, and 0 is the mean."""
        return cut_out(x_NHWC, self.centre_N2, self.augment.cutout) if self.augment.cutout else x_NHWC


def draw(
    augment: Augmentation,
    order_N: Tensor,
    epoch: int,
    height: int,
    width: int,
    generator: torch.Generator,
    device: torch.device,
) -> Draws:
    """Draw the numbers for an epoch of images of height x width pixels, from a generator on the CPU.

    All numbers are drawn, even for changes that are switched off, so that a change does not depend on the others.
    Numbers from the CPU are the same on every device.

    order_N: int64, on the CPU, the number of each image among those that are trained on. epoch: 0-based.
    """
    count = len(order_N)
    uniform = torch.rand((count, 5), generator=generator, dtype=torch.float64)
    colour = 2 * torch.rand((count, 2), generator=generator, dtype=torch.float64) - 1
    sides, most = torch.tensor([height, width]), torch.tensor([augment.brightness, augment.contrast])
    flips = alternate(order_N, epoch) if augment.alternating_flip else uniform[:, 0] < 0.5
    return Draws(
        augment=augment,
        flip_N=flips.to(device),
        offset_N2=(uniform[:, 1:3] * (2 * augment.crop + 1)).long().to(device),
        centre_N2=(uniform[:, 3:5] * sides).long().to(device),
        factor_N2=(1 + colour * most.double()).float().to(device),
    )


def alternate(numbers_N: Tensor, epoch: int) -> Tensor:
    """Return which images are mirrored in a 0-based epoch, bool: half of them, and the others in the next epoch.

    numbers_N: int64, on the CPU, the images' numbers, whose hash (SplitMix64, Steele et al. 2014) decides.
    """
    bits = numbers_N.numpy().astype("uint64") + np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        bits = (bits ^ (bits >> np.uint64(shift))) * np.uint64(factor)
    return torch.from_numpy((bits >> np.uint64(63) != 0) ^ bool(epoch % 2))


def brighten(x_BHWC: Tensor, factor_B: Tensor) -> Tensor:
    """Return the images with every pixel times the image's factor, float32, 0 to 255."""
    return (x_BHWC * factor_B[:, None, None, None]).clamp(0, 255)


def change_contrast(x_BHWC: Tensor, factor_B: Tensor) -> Tensor:
    """Return the images with their differences from their mean gray times the image's factor, float32, 0 to 255.

    The gray of a colour is its luma (ITU-R BT.601), and that of images with one channel this channel.
    """
    x_BHWC = x_BHWC.to(torch.float32)
    means = x_BHWC.mean((1, 2)).unbind(1)
    gray_B = LUMA[0] * means[0] + LUMA[1] * means[1] + LUMA[2] * means[2] if len(means) == 3 else means[0]
    factor_B111, gray_B111 = factor_B[:, None, None, None], gray_B[:, None, None, None]
    return (x_BHWC * factor_B111 + (1 - factor_B111) * gray_B111).clamp(0, 255)


def flip(x_BHWC: Tensor, flip_B: Tensor) -> Tensor:
    """Return the images, mirrored left to right where `flip_B` (bool) says so."""
    B, H, W, C = x_BHWC.shape
    kept = torch.arange(W * C, device=x_BHWC.device)
    mirrored = kept.view(W, C).flip(0).flatten()
    columns = torch.where(flip_B[:, None], mirrored, kept)
    return x_BHWC.reshape(B, H, W * C).gather(2, columns[:, None].expand(B, H, W * C)).view(B, H, W, C)


def crop(x_BHWC: Tensor, offset_B2: Tensor, padding: int, fill: str = "zeros") -> Tensor:
    """Return a window of the image's own size from each image, padded with zeros on every side or mirrored there.

    offset_B2: int64, the window's top and left in the padded image, 0 to 2 * padding; if both equal `padding`,
    nothing moves. padding: pixels, fewer than the image has. fill: `zeros`, or `reflect`.
    """
    B, H, W, C = x_BHWC.shape
    p = padding
    if fill == "reflect":
        padded = x_BHWC.index_select(1, _mirror(H, p, x_BHWC)).index_select(2, _mirror(W, p, x_BHWC))
    else:
        padded = torch.nn.functional.pad(x_BHWC, (0, 0, p, p, p, p))
    image, row, column, channel = padded.stride()
    # A view of all windows of every image, of which one is copied; this needs no index for each pixel.
    shape, stride = (B, 2 * p + 1, 2 * p + 1, H, W, C), (image, row, column, row, column, channel)
    windows = padded.as_strided(shape, stride)
    return windows[torch.arange(B, device=x_BHWC.device), offset_B2[:, 0], offset_B2[:, 1]]


def _mirror(pixels: int, padding: int, like: Tensor) -> Tensor:
    """Return which pixel each one of a padded row shows; the one at the border is not repeated."""
    last = pixels - 1
    return last - (last - torch.arange(-padding, pixels + padding, device=like.device).abs()).abs()


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
