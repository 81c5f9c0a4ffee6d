"""Labelled examples on a device, and all that an objective gets to see of a data set.

Shapes: B examples of a batch, N of the data set, C channels, H height, W width.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from objectives.data.batches.augmentation import UNCHANGED, Augmentation
from objectives.data.batches.images import Images
from objectives.data.batches.pixel_statistics import moments
from objectives.data.files.errors import ImpossibleSplit
from objectives.data.files.prepared import Prepared
from objectives.data.splits.classes import NOT_CHOSEN, choose_classes, renumber
from objectives.data.splits.split import Indices, Split

# One move of this many bytes bounds the memory that a data set takes on its way to another device.
_MOVE_BYTES = 64 * 2**20


class Examples(Images):
    """Images with their labels.

    images_NHWC, indices, mean, std: as of `Images`. labels_N: int64, the class of each of the N images, of which
    those of `indices` are kept as `labels`. All tensors are on one device.
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
        super().__init__(images_NHWC=images_NHWC, mean=mean, std=std, indices=indices)
        self.labels = labels_N[self.indices]

    def batches(
        self,
        batch_size: int,
        *,
        order_seed: int | None,
        augment: Augmentation = UNCHANGED,
        drop_last: bool = False,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """One epoch: pairs of images (float32, B C H W, channels last, normalized) and labels (int64, B).

        Arguments and errors are those of `Images.images`, and so are the images of one seed.
        """
        epoch = self._batches(batch_size, order_seed, augment, drop_last)
        return ((x_BCHW, self.labels[chosen_B]) for x_BCHW, chosen_B in epoch)


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainValidation:
    """All that an objective gets to see of a data set.

    train: what is trained on. validation: what a trial's value is measured on.
    unlabelled: the images of the training side, those too whose labels are not trained on; for unsupervised
    training, and without labels. All three are normalized as `train` is.
    classes: names in the order of the labels. image_shape: (channels, height, width). device: where batches are.
    merged: whether the validation examples are trained on as well, so that nothing may be chosen by them.
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
    """The parts of a split on a device, normalized by the mean and deviation of what is trained on.

    On the CPU all are views of the mapped file, whatever the number of processes. To another device the images
    of train and validation are moved once; where the unlabelled ones are more, these come batch by batch.

    classes: the names that the split was made for, numbered from 0 in this order (default: all of them).
    merge_validation: adds the validation part to train and unlabelled, for the final retraining; validation
    stays the part it was.

    Raises ImpossibleClasses: `classes` are unknown, named twice or fewer than two. ImpossibleSplit: the split has
    examples of other classes.
    """
    device = torch.device(device)
    names = choose_classes(prepared.name, prepared.classes, classes)
    added = split.validation if merge_validation else split.validation[:0]
    trained, pool = np.union1d(split.train, added), np.union1d(split.pool, added)
    images, labels_N, kept = _placed(prepared, _labels(prepared, split, names), trained, split.validation, device)
    mean, std = moments(prepared.images(), trained)

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


def _labels(prepared: Prepared, split: Split, names: Sequence[str]) -> Indices:
    labels = renumber(prepared.labels(), prepared.classes, names)
    if (labels[split.pool] == NOT_CHOSEN).any() or (labels[split.validation] == NOT_CHOSEN).any():
        raise ImpossibleSplit(f"The split has examples of other classes than {', '.join(names)}: split these only.")
    return labels


def _placed(
    prepared: Prepared, labels: Indices, trained: Indices, validation: Indices, device: torch.device
) -> tuple[Tensor, Tensor, Indices]:
    """Images and labels on the device, and which examples they are, ascending."""
    if device.type == "cpu":
        images = torch.from_numpy(prepared.images(writable=True))
        return images, torch.from_numpy(labels), np.arange(prepared.examples)
    used = np.union1d(trained, validation)
    return _moved(prepared, used, device), torch.from_numpy(labels[used]).to(device), used


def _moved(prepared: Prepared, indices: Indices, device: torch.device) -> Tensor:
    source = prepared.images()
    target = torch.empty((len(indices), *source.shape[1:]), dtype=torch.uint8, device=device)
    step = max(1, _MOVE_BYTES // max(1, source[0].size))
    for start in range(0, len(indices), step):
        target[start : start + step].copy_(torch.from_numpy(source[indices[start : start + step]]))
    return target
