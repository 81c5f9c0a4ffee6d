"""The fixed part of the training images on which a network is measured as it is on the validation images. N: images."""

from __future__ import annotations

import torch
from torch import Tensor

from objectives.data.batches.examples import Examples, TrainValidation

SHARE = 10
"""One training image in this many is in the part. Each costs a third of a step's work for it: about 3% of an epoch."""
FEWEST = 128


def choose_training_part(data: TrainValidation) -> Examples:
    """Return a stratified tenth of the training images: 128 or more if there are, and no more than for validation.

    It depends on the data alone, so that every trial of a study is measured on the same images.
    """
    count = min(len(data.train), len(data.validation), max(FEWEST, len(data.train) // SHARE))
    return data.train.choose(pick_evenly(data.train.labels, count))


def pick_evenly(labels_N: Tensor, count: int) -> Tensor:
    """Return ascending positions of `count` images, at equal distances in the order of their classes.

    Each class has its share, to within one image. `count` is at most N; a larger one picks all.
    """
    count = min(count, len(labels_N))
    by_class_N = torch.argsort(labels_N.cpu(), stable=True)
    places = (torch.arange(count) * 2 + 1) * len(labels_N) // (2 * count)
    return by_class_N[places].sort().values.to(labels_N.device)
