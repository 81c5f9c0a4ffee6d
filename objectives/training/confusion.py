"""Which classes a network takes for which, counted while its value is measured. B: batch, K: classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from objectives.training.callbacks import TrainingCallback

MOST_CLASSES = 100
"""With more, nothing is counted: a trial's matrix would be larger than its curve, and no picture could show it."""


class ConfusionCounts:
    """Validation images by their class (row) and the class that they were taken for (column).

    counts_KK: int64, of the last evaluation, on the device; None if there are more than MOST_CLASSES classes.
    """

    def __init__(self, classes: int, device: torch.device) -> None:
        shape = (classes, classes)
        self.counts_KK = torch.zeros(shape, dtype=torch.int64, device=device) if classes <= MOST_CLASSES else None
        self._best: tuple[int, Tensor] | None = None
        self._is_told = False

    def keep(self, epoch: int) -> None:
        """Keep the counts of the last evaluation as those of the best epoch so far."""
        if self.counts_KK is not None:
            self._best, self._is_told = (epoch, self.counts_KK.to("cpu", copy=True)), False

    def tell(self, callback: TrainingCallback) -> None:
        """Tell of the best epoch's counts, unless they have been told."""
        if self._best is not None and not self._is_told:
            epoch, counts_KK = self._best
            callback.note_confusion(epoch, counts_KK.tolist())
            self._is_told = True

    def state(self) -> dict[str, Any] | None:
        """Return the best epoch and its counts for a checkpoint; None if there are none."""
        return None if self._best is None else {"epoch": self._best[0], "counts": self._best[1]}

    def restore(self, state: Mapping[str, Any] | None) -> None:
        """Continue from what `state` returned."""
        self._best, self._is_told = (None if state is None else (int(state["epoch"]), state["counts"])), False


def count_classes(
    counts_KK: Tensor | None, logits_BK: Tensor, taken_B: Tensor, y_B: Tensor, real_B: Tensor | None = None
) -> None:
    """Add a batch to the counts, if there are any; the host does not wait for the device, so that a graph can hold it.

    A network with another number of outputs than there are classes is not counted.

    Args:
        taken_B: the classes that the images were taken for, those of the highest logits.
        real_B: which of the images count; None for all.
    """
    if counts_KK is not None and logits_BK.shape[1] == len(counts_KK):
        ones_B = torch.ones_like(y_B) if real_B is None else real_B.to(y_B.dtype)
        counts_KK.view(-1).scatter_add_(0, y_B * len(counts_KK) + taken_B, ones_B)
