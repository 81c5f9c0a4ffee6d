"""The value of a network on the validation examples. B: batch, C: channels, H, W: height and width, K: classes."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from objectives.base.device import Precision, autocast
from objectives.data.batches.examples import Examples
from objectives.training.callbacks import NULL_CALLBACK
from objectives.training.device_group import ALONE, DeviceGroup

EVALUATION_BATCH = 1024


@torch.no_grad()
def evaluate(
    model: nn.Module,
    examples: Examples,
    precision: Precision,
    beat: Callable[[], None] = NULL_CALLBACK.beat,
    group: DeviceGroup = ALONE,
) -> dict[str, float]:
    """Return the accuracy (0 to 1) and the mean cross-entropy loss (nats) over all examples, in evaluation mode.

    `beat` is called after every batch. Each device of the group measures its share, and all return the same.
    """
    model.eval()
    right = torch.zeros((), dtype=torch.int64, device=examples.device)
    loss = torch.zeros((), device=examples.device)
    for x_BCHW, y_B in examples.batches(EVALUATION_BATCH, order_seed=None, share=group.share):
        with autocast(examples.device, precision):
            logits_BK = model(x_BCHW)
        right += (logits_BK.argmax(dim=1) == y_B).sum()
        loss += F.cross_entropy(logits_BK.float(), y_B, reduction="sum")
        beat()
    total_right, total_loss = group.add_up(torch.stack([right.double(), loss.double()])).tolist()
    return {"accuracy": total_right / len(examples), "loss": total_loss / len(examples)}
