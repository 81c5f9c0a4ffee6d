"""Labelled examples on a device, and everything of a data set that an objective may see.

Shapes: B examples of a batch, N of the data set, C channels, H height, W width.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from objectives.data.batches.augmentation import UNCHANGED, Augmentation
from objectives.data.batches.images import Images
from objectives.data.batches.pixel_statistics import compute_pixel_statistics
from objectives.data.batches.share import WHOLE, Share
from objectives.data.files.errors import ImpossibleSplit
from objectives.data.files.prepared import Prepared
from objectives.data.splits.classes import NOT_CHOSEN, choose_classes, renumber
from objectives.data.splits.split import Indices, Split

# Images are copied to another device in pieces of this size, which bounds the memory of the copy.
_COPY_BYTES = 64 * 2**20


class Examples(Images):
    """Images with their labels.

    images_NHWC, indices, mean, std: as in `Images`. labels_N: int64, the class of each of the N images; `labels` keeps
    those of `indices`. All tensors are on one device.

    Raises:
        ValueError: the images are not uint8 with four dimensions, or the numbers of channels differ.
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

        super().__init__(images_NHWC=images_NHWC, mean=mean, std=std, indices=indices)
        self.labels = labels_N[self.indices]

    def choose(self, positions: Tensor) -> Examples:
        """Return some of these examples, by their positions (int64) among them; the images are shared."""
        chosen = copy.copy(self)
        chosen.indices, chosen.labels = self.indices[positions], self.labels[positions]
        return chosen

    def batches(
        self,
        batch_size: int,
        *,
        order_seed: int | None,
        augment: Augmentation = UNCHANGED,
        drop_last: bool = False,
        epoch: int = 0,
        share: Share = WHOLE,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Return one epoch as pairs of images (float32, B C H W, channels last, normalized) and labels (int64, B).

        The arguments, the errors and the images that a seed gives are those of `Images.images`.
        """
        found = self._batches(batch_size, order_seed, augment, drop_last, epoch, share)
        return ((x_BCHW, self.labels[chosen_B]) for x_BCHW, chosen_B in found)


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainValidation:
    """Everything of a data set that an objective may see.

    train: the examples to train on. validation: the examples that a trial's value is measured on.
    unlabelled: all images of the training side, without labels, for unsupervised training; there are more than in
    `train` if a study uses few labels. All three are normalized by the statistics of `train`.
    classes: names in the order of the labels. image_shape: (channels, height, width). device: where batches are.
    merged: whether the validation examples are trained on as well, so that no choice may depend on them.
    """

    train: Examples
    validation: Examples
    unlabelled: Images
    classes: tuple[str, ...]
    image_shape: tuple[int, int, int]
    device: torch.device
    merged: bool


def load(
    prepared: Prepared,
    split: Split,
    device: torch.device | str,
    *,
    classes: Sequence[str] | None = None,
    merge_validation: bool = False,
) -> TrainValidation:
    """Return the parts of a split on a device, normalized by the mean and deviation of the training examples.

    On the CPU they are views of the memory-mapped file, which all processes share. To another device the images of
    train and validation are copied once; if there are more unlabelled images, these are copied batch by batch.

    Args:
        classes: the classes that the split was made for, numbered from 0 in this order; None for all.
        merge_validation: adds the validation part to train and unlabelled, for the final retraining; validation
            stays as it is.

    Raises:
        ImpossibleClasses: a class is unknown or named twice, or there are fewer than two.
        ImpossibleSplit: the split has examples of other classes.
    """
    device = torch.device(device)
    names = choose_classes(prepared.name, prepared.classes, classes)
    added = split.validation if merge_validation else split.validation[:0]
    trained, pool = np.union1d(split.train, added), np.union1d(split.pool, added)
    labels = _number_labels(prepared, split, names)
    images, labels_N, kept = _place_on_device(prepared, labels, trained, split.validation, device)
    mean, std = compute_pixel_statistics(prepared.images(), trained)

    def part(indices: Indices) -> Examples:
        rows = torch.from_numpy(np.searchsorted(kept, indices)).to(device)
        return Examples(images_NHWC=images, labels_N=labels_N, mean=mean, std=std, indices=rows)

    train = part(trained)
    if len(pool) == len(trained):
        unlabelled = Images(images_NHWC=images, mean=mean, std=std, indices=train.indices)
    else:
        mapped, rows = torch.from_numpy(prepared.images(writable=True)), torch.from_numpy(pool)
        unlabelled = Images(images_NHWC=mapped, mean=mean, std=std, indices=rows, device=device)
    return TrainValidation(
        train=train,
        validation=part(split.validation),
        unlabelled=unlabelled,
        classes=names,
        image_shape=prepared.image_shape,
        device=device,
        merged=merge_validation,
    )


def _number_labels(prepared: Prepared, split: Split, names: Sequence[str]) -> Indices:
    """Return the labels numbered in the order of `names`."""
    labels = renumber(prepared.labels(), prepared.classes, names)
    if (labels[split.pool] == NOT_CHOSEN).any() or (labels[split.validation] == NOT_CHOSEN).any():
        raise ImpossibleSplit(f"the split has examples of other classes than {', '.join(names)}; split only these")
    return labels


def _place_on_device(
    prepared: Prepared, labels: Indices, trained: Indices, validation: Indices, device: torch.device
) -> tuple[Tensor, Tensor, Indices]:
    """Return images and labels on the device, and the ascending indices of these examples."""
    if device.type == "cpu":
        images = torch.from_numpy(prepared.images(writable=True))
        return images, torch.from_numpy(labels), np.arange(prepared.examples)
    used = np.union1d(trained, validation)
    return _copy_to_device(prepared, used, device), torch.from_numpy(labels[used]).to(device), used


def _copy_to_device(prepared: Prepared, indices: Indices, device: torch.device) -> Tensor:
    source = prepared.images()
    target = torch.empty((len(indices), *source.shape[1:]), dtype=torch.uint8, device=device)
    step = max(1, _COPY_BYTES // max(1, source[0].size))
    for start in range(0, len(indices), step):
        target[start : start + step].copy_(torch.from_numpy(source[indices[start : start + step]]))
    return target
