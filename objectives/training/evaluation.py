"""The value of a network on the validation examples. B: batch, C: channels, H, W: height and width, K: classes."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from objectives.base.device import Precision, autocast
from objectives.data.batches.examples import Examples
from objectives.training.callbacks import NULL_CALLBACK
from objectives.training.confusion import count_classes
from objectives.training.device_group import ALONE, DeviceGroup

EVALUATION_BATCH = 1024


@torch.no_grad()
def evaluate(
    model: nn.Module,
    examples: Examples,
    precision: Precision,
    beat: Callable[[], None] = NULL_CALLBACK.beat,
    group: DeviceGroup = ALONE,
    counts_KK: Tensor | None = None,
) -> dict[str, float]:
    """Return the accuracy (0 to 1) and the mean cross-entropy loss (nats) over all examples, in evaluation mode.

    `beat` is called after every batch. Each device of the group measures its share, and all return the same.
    `counts_KK` (int64) becomes the examples' numbers by class (row) and the class that they were taken for (column).
    """
    model.eval()
    if counts_KK is not None:
        counts_KK.zero_()
    right = torch.zeros((), dtype=torch.int64, device=examples.device)
    loss = torch.zeros((), device=examples.device)
    for x_BCHW, y_B in examples.batches(EVALUATION_BATCH, order_seed=None, share=group.share):
        with autocast(examples.device, precision):
            logits_BK = model(x_BCHW)
        taken_B = logits_BK.argmax(dim=1)
        right += (taken_B == y_B).sum()
        count_classes(counts_KK, logits_BK, taken_B, y_B)
        loss += F.cross_entropy(logits_BK.float(), y_B, reduction="sum")
        beat()
    total_right, total_loss = group.add_up(torch.stack([right.double(), loss.double()])).tolist()
    if counts_KK is not None:
        group.add_up(counts_KK)
    return {"accuracy": total_right / len(examples), "loss": total_loss / len(examples)}
