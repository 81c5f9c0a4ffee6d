"""Examples on a device, served in batches: the one module of this package that imports torch.

Shapes: B examples of a batch, N of the data set, C channels, H height, W width.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from objectives.data.moments import moments
from objectives.data.prepared import Prepared
from objectives.data.split import Indices, Split

Augmentation = Literal["flip", "crop"]

CROP_PADDING = 4

# One move of this many bytes bounds the memory that a data set takes on its way to another device.
_MOVE_BYTES = 64 * 2**20


class Examples:
    """Some examples of a shared array of images, in an order of their own, with the normalization of their
    pixels.

    images_NHWC: uint8, shared with other views and never written to. labels_N: int64. indices: int64, which
    of the N images, in order (default: all). mean, std: by channel, of pixels from 0 to 1. All tensors are on
    one device.
    """

    def __init__(
        self,
        *,
        images_NHWC: Tensor,
        labels_N: Tensor,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        indices: Tensor | None = None,
    ) -> None:
        """Raises ValueError: the images are not uint8 in four dimensions, or the channels do not match."""
        if images_NHWC.dtype != torch.uint8 or images_NHWC.ndim != 4:
            raise ValueError(f"Images must be uint8 N,H,W,C, but got {images_NHWC.dtype} {images_NHWC.shape}.")
        if not len(mean) == len(std) == images_NHWC.shape[3]:
            raise ValueError(f"mean={mean} and std={std} must have {images_NHWC.shape[3]} numbers each.")
        self.device = images_NHWC.device
        self.mean, self.std = mean, std
        self.indices = torch.arange(len(labels_N), device=self.device) if indices is None else indices
        self.labels = labels_N[self.indices]
        self._images_NHWC = images_NHWC
        # One row of pixels: a scale by channel, repeated, makes normalizing one pass over contiguous memory.
        pixels = images_NHWC.shape[1] * images_NHWC.shape[2]
        scale = torch.tensor([1 / (255 * s) for s in std], dtype=torch.float64).repeat(pixels)
        shift = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)], dtype=torch.float64)
        self._scale = scale.to(torch.float32).to(self.device)
        self._shift = shift.repeat(pixels).to(torch.float32).to(self.device)

    def __len__(self) -> int:
        """How many examples an epoch has."""
        return len(self.indices)

    def steps(self, batch_size: int, *, drop_last: bool = False) -> int:
        """How many batches an epoch of `batches` has."""
        whole, rest = divmod(len(self), batch_size)
        return max(whole, 1) if drop_last or not rest else whole + 1

    def batches(
        self,
        batch_size: int,
        *,
        order_seed: int | None,
        augment: tuple[Augmentation, ...] = (),
        drop_last: bool = False,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """One epoch: pairs of images (float32, B C H W, channels last, normalized) and labels (int64, B).

        order_seed: of the order and of the augmentation, which are the same on every device; None keeps the
        order.
        augment: "flip" mirrors half of the images, "crop" moves each by up to 4 pixels, black coming in.
        drop_last: leaves out a last batch that is not full, unless it is the only one.

        Raises ValueError: batch_size < 1, an unknown augmentation, or augmentation without order_seed.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size >= 1 must hold, but got batch_size={batch_size}.")
        if unknown := set(augment) - set(get_args(Augmentation)):
            raise ValueError(f"augment must be of {get_args(Augmentation)}, but got {sorted(unknown)}.")
        if augment and order_seed is None:
            raise ValueError(f"augment={augment} draws at random and needs order_seed, but got None.")
        count = self.steps(batch_size, drop_last=drop_last)
        starts = range(0, count * batch_size, batch_size)
        return self._epoch(starts, batch_size, order_seed, frozenset(augment))

    def _epoch(
        self, starts: range, size: int, order_seed: int | None, augment: frozenset[str]
    ) -> Iterator[tuple[Tensor, Tensor]]:
        indices, labels = self.indices, self.labels
        if order_seed is not None:
            # On the CPU, for the same numbers on every device.
            generator = torch.Generator().manual_seed(order_seed)
            order = torch.randperm(len(self), generator=generator).to(self.device)
            indices, labels = indices[order], labels[order]
            flips = torch.rand(len(self), generator=generator).lt(0.5).to(self.device)
            offsets = torch.randint(0, 2 * CROP_PADDING + 1, (len(self), 2), generator=generator)
            offsets = offsets.to(self.device)
        for start in starts:
            x_BHWC = self._images_NHWC.index_select(0, indices[start : start + size])
            if "crop" in augment:
                x_BHWC = crop(x_BHWC, offsets[start : start + size])
            if "flip" in augment:
                x_BHWC = flip(x_BHWC, flips[start : start + size])
            x_BP = x_BHWC.flatten(1).to(torch.float32).mul_(self._scale).add_(self._shift)
            yield x_BP.view(x_BHWC.shape).permute(0, 3, 1, 2), labels[start : start + size]


def flip(x_BHWC: Tensor, flip_B: Tensor) -> Tensor:
    """The images, those of `flip_B` (bool) mirrored left to right."""
    B, H, W, C = x_BHWC.shape
    kept = torch.arange(W * C, device=x_BHWC.device)
    mirrored = kept.view(W, C).flip(0).flatten()
    columns = torch.where(flip_B[:, None], mirrored, kept)
    return x_BHWC.view(B, H, W * C).gather(2, columns[:, None].expand(B, H, W * C)).view(B, H, W, C)


def crop(x_BHWC: Tensor, offset_B2: Tensor) -> Tensor:
    """A window of the images' own size out of each, padded by 4 black pixels on every side.

    offset_B2: int64, the window's top and left in the padded image, 0 to 8.
    """
    B, H, W, C = x_BHWC.shape
    p = CROP_PADDING
    padded = torch.nn.functional.pad(x_BHWC, (0, 0, p, p, p, p))
    image, row, column, channel = padded.stride()
    # Every window of every image as a view, of which one an image is copied: no index a pixel.
    shape, stride = (B, 2 * p + 1, 2 * p + 1, H, W, C), (image, row, column, row, column, channel)
    windows = padded.as_strided(shape, stride)
    return windows[torch.arange(B, device=x_BHWC.device), offset_B2[:, 0], offset_B2[:, 1]]


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainValidation:
    """All that an objective gets to see of a data set.

    train: what is trained on. validation: what a trial's value is measured on; normalized as `train` is.
    classes: names in the order of the labels. image_shape: (channels, height, width). device: where both
    parts are.
    """

    train: Examples
    validation: Examples
    classes: tuple[str, ...]
    image_shape: tuple[int, int, int]
    device: torch.device


def load(
    prepared: Prepared, split: Split, device: torch.device | str, *, merge_validation: bool = False
) -> TrainValidation:
    """The two parts of a split on a device, normalized by the mean and deviation of what is trained on.

    On the CPU both parts are views of the mapped file, whatever the number of processes; to another device
    the images of the split are moved once. merge_validation: train on the union of both parts, for the final
    retraining; validation stays the part it was.
    """
    device = torch.device(device)
    used = np.sort(np.concatenate([split.train, split.validation]))
    trained = used if merge_validation else split.train
    mean, std = moments(prepared.images(), trained)
    labels = torch.from_numpy(prepared.labels())
    if device.type == "cpu":
        images, kept = torch.from_numpy(prepared.images(writable=True)), np.arange(prepared.examples)
    else:
        images, labels, kept = _moved(prepared, used, device), labels[torch.from_numpy(used)].to(device), used

    def part(indices: Indices) -> Examples:
        rows = torch.from_numpy(np.searchsorted(kept, indices)).to(device)
        return Examples(images_NHWC=images, labels_N=labels, mean=mean, std=std, indices=rows)

    return TrainValidation(
        train=part(trained),
        validation=part(split.validation),
        classes=prepared.classes,
        image_shape=prepared.image_shape,
        device=device,
    )


def _moved(prepared: Prepared, indices: Indices, device: torch.device) -> Tensor:
    source = prepared.images()
    target = torch.empty((len(indices), *source.shape[1:]), dtype=torch.uint8, device=device)
    step = max(1, _MOVE_BYTES // max(1, source[0].size))
    for start in range(0, len(indices), step):
        target[start : start + step].copy_(torch.from_numpy(source[indices[start : start + step]]))
    return target
