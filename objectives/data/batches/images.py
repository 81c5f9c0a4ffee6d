"""Unlabelled images on a device, normalized and served in batches.

Shapes: B images of a batch, N of the data set, C channels, H height, W width, P = H * W * C.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from objectives.data.batches.augmentation import UNCHANGED, Augmentation
from objectives.data.batches.random_changes import Draws, draw
from objectives.data.batches.share import WHOLE, Share


class Images:
    """Some images of a shared array, in a given order, with the normalization of their pixels.

    images_NHWC: uint8, shared with other views and never written to.
    indices: int64, on the array's device: which of the N images, in order; None for all.
    mean, std: one number for each channel, for pixels from 0 to 1.
    device: where batches are returned; None for the array's device.

    Raises:
        ValueError: the images are not uint8 with four dimensions, or the numbers of channels differ.
    """

    def __init__(
        self,
        *,
        images_NHWC: Tensor,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        indices: Tensor | None = None,
        device: torch.device | None = None,
    ) -> None:

        if images_NHWC.dtype != torch.uint8 or images_NHWC.ndim != 4:
            raise ValueError(f"images must be uint8 N,H,W,C, but got {images_NHWC.dtype} {images_NHWC.shape}")
        if not len(mean) == len(std) == images_NHWC.shape[3]:
            raise ValueError(f"mean and std need {images_NHWC.shape[3]} numbers each, but got mean={mean}, std={std}")
        self.device = images_NHWC.device if device is None else device
        self.mean, self.std = mean, std
        everything = torch.arange(len(images_NHWC), device=images_NHWC.device)
        self.indices = everything if indices is None else indices
        self._images_NHWC = images_NHWC
        # The channels' scales, repeated for every pixel, normalize an image in one pass over contiguous memory.
        pixels = images_NHWC.shape[1] * images_NHWC.shape[2]
        scale = torch.tensor([1 / (255 * s) for s in std], dtype=torch.float64).repeat(pixels)
        shift = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)], dtype=torch.float64)
        self._scale_P = scale.to(torch.float32).to(self.device)
        self._shift_P = shift.repeat(pixels).to(torch.float32).to(self.device)

    def __len__(self) -> int:
        """Return how many images an epoch has."""
        return len(self.indices)

    def steps(self, batch_size: int, *, drop_last: bool = False) -> int:
        """Return how many batches an epoch has."""
        whole, rest = divmod(len(self), batch_size)
        return max(whole, 1) if drop_last or not rest else whole + 1

    def images(
        self,
        batch_size: int,
        *,
        order_seed: int | None,
        augment: Augmentation = UNCHANGED,
        drop_last: bool = False,
        epoch: int = 0,
        share: Share = WHOLE,
    ) -> Iterator[Tensor]:
        """Return one epoch of images without labels: float32, B C H W, channels last, normalized.

        Args:
            order_seed: seed of the order and of the augmentation, which are the same on every device; None keeps
                the stored order.
            augment: random changes of the images; they do not change the order.
            drop_last: skips an incomplete last batch, unless it is the only one.
            epoch: 0-based; only an alternating flip looks at it.
            share: the part of each batch to return; together, all shares are the batches without one.

        Raises:
            ValueError: batch_size < 1, augmentation without order_seed, or a crop or cutout as large as the images.
        """
        return (x_BCHW for x_BCHW, _ in self._batches(batch_size, order_seed, augment, drop_last, epoch, share))

    def _batches(
        self,
        batch_size: int,
        order_seed: int | None,
        augment: Augmentation,
        drop_last: bool,
        epoch: int,
        share: Share,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Check the arguments, and return the batches with the positions of their images among `indices`."""
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, but got batch_size={batch_size}")
        if augment != UNCHANGED and order_seed is None:
            raise ValueError(f"{augment} draws at random and needs order_seed, but got None")
        _, height, width, _ = self._images_NHWC.shape
        augment.check(height, width)
        count = self.steps(batch_size, drop_last=drop_last)
        starts = range(0, count * batch_size, batch_size)
        return self._generate_batches(starts, batch_size, order_seed, augment, epoch, share)

    def _generate_batches(
        self, starts: range, size: int, order_seed: int | None, augment: Augmentation, epoch: int, share: Share
    ) -> Iterator[tuple[Tensor, Tensor]]:
        order, draws = self.draw_epoch(order_seed, augment, epoch)
        for start in starts:
            batch = share.cut(start, min(start + size, len(order)))
            chosen_B = order[batch]
            yield self.make_batch(self.indices[chosen_B], draws and draws.pick(batch)), chosen_B

    def make_batch(self, rows_B: Tensor, draws: Draws | None = None) -> Tensor:
        """Return images, changed as drawn and normalized: float32, B C H W, channels last.

        rows_B: int64, which of the N images of the whole array, on its device. draws: one row for each of them.
        """
        x_BHWC = self._images_NHWC.index_select(0, rows_B).to(self.device)
        if draws is not None:
            x_BHWC = draws.move(x_BHWC)
            if draws.augment.recolours:
                x_BHWC = draws.recolour(x_BHWC)
        x_BP = x_BHWC.flatten(1).to(torch.float32).mul_(self._scale_P).add_(self._shift_P)
        x_BHWC = x_BP.view(x_BHWC.shape)
        if draws is not None:
            x_BHWC = draws.wipe(x_BHWC)
        return x_BHWC.permute(0, 3, 1, 2)

    def draw_epoch(
        self, order_seed: int | None, augment: Augmentation = UNCHANGED, epoch: int = 0
    ) -> tuple[Tensor, Draws | None]:
        """Return an epoch's order, as positions among `indices`, and the random numbers of its augmentation.

        The arguments are those of `images`.
        """
        if order_seed is None:
            return torch.arange(len(self), device=self.indices.device), None
        # On the CPU, for the same numbers on every device; the order first, so that it does not depend on the rest.
        generator = torch.Generator().manual_seed(order_seed)
        order = torch.randperm(len(self), generator=generator)
        placed = order.to(self.indices.device)
        if augment == UNCHANGED:
            return placed, None
        _, height, width, _ = self._images_NHWC.shape
        return placed, draw(augment, order, epoch, height, width, generator, self.device)
