"""The value of a network on the validation examples. B: batch, C: channels, H, W: height and width, K: classes."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from objectives.base.device import Precision, autocast
from objectives.data.batches.examples import Examples
from objectives.training.callbacks import NULL_CALLBACK

EVALUATION_BATCH = 1024


@torch.no_grad()
def evaluate(
    model: nn.Module,
    examples: Examples,
    precision: Precision,
    beat: Callable[[], None] = NULL_CALLBACK.beat,
) -> dict[str, float]:
    """Return the accuracy (0 to 1) and the mean cross-entropy loss (nats) over all examples, in evaluation mode.

    `beat` is called after every batch.
    """
    model.eval()
    right = torch.zeros((), dtype=torch.int64, device=examples.device)
    loss = torch.zeros((), device=examples.device)
    for x_BCHW, y_B in examples.batches(EVALUATION_BATCH, order_seed=None):
        with autocast(examples.device, precision):
            logits_BK = model(x_BCHW)
        right += (logits_BK.argmax(dim=1) == y_B).sum()
        loss += F.cross_entropy(logits_BK.float(), y_B, reduction="sum")
        beat()
    return {"accuracy": right.item() / len(examples), "loss": loss.item() / len(examples)}
