"""What a network predicts. B: batch, C: channels, H, W: height and width, K: classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from objectives.base.device import Precision, autocast
from objectives.data.batches.examples import Examples
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


def compute_metrics(
    predicted: NDArray[np.int64], confidence: NDArray[np.float32], labels: NDArray[Any], classes: Sequence[str]
) -> dict[str, Any]:
    """What a score says beside the accuracy: each class's own, macro F1, and the expected calibration error.

    The last is the mean distance between confidence and accuracy over 15 bins of confidence (Guo et al. 2017).
    """
    # It takes seconds to import, most of them for metrics of text and sound, and only the final step needs it.
    from torchmetrics.functional.classification import (
        binary_calibration_error,
        multiclass_f1_score,
        multiclass_recall,
    )

    found, truth = torch.from_numpy(predicted), torch.from_numpy(labels.astype(np.int64))
    right = (found == truth).long()
    of_classes = multiclass_recall(found, truth, len(classes), average="none").tolist()
    return {
        "class_accuracy": dict(zip(classes, of_classes, strict=True)),
        "macro_f1": multiclass_f1_score(found, truth, len(classes), average="macro").item(),
        "calibration_error": binary_calibration_error(torch.from_numpy(confidence), right, n_bins=15).item(),
    }


def pack_predictions(predicted: NDArray[Any], confidence: NDArray[Any]) -> bytes:
    """Predictions as they are stored: a record of little-endian int32 class and float32 probability each."""
    rows = np.empty(len(predicted), dtype=[("class", "<i4"), ("probability", "<f4")])
    rows["class"], rows["probability"] = predicted, confidence
    return rows.tobytes()
