"""What a network predicts. B: batch, C: channels, H, W: height and width, K: classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from objectives.data.examples import Examples
from objectives.training.device import Precision, autocast
from objectives.training.loop import EVALUATION_BATCH


@torch.no_grad()
def predict(
    model: nn.Module, examples: Examples, precision: Precision
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The predicted class of every example, and its probability."""
    model.eval()
    classes, probabilities = [], []
    for x_BCHW, _ in examples.batches(EVALUATION_BATCH, order_seed=None):
        with autocast(examples.device, precision):
            logits_BK = model(x_BCHW)
        best = logits_BK.float().softmax(dim=1).max(dim=1)
        classes.append(best.indices.cpu())
        probabilities.append(best.values.cpu())
    return torch.cat(classes).numpy(), torch.cat(probabilities).numpy()


def pack(predicted: NDArray[Any], confidence: NDArray[Any]) -> bytes:
    """Predictions as they are stored: a record of little-endian int32 class and float32 probability each."""
    rows = np.empty(len(predicted), dtype=[("class", "<i4"), ("probability", "<f4")])
    rows["class"], rows["probability"] = predicted, confidence
    return rows.tobytes()
