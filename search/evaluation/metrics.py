"""What a network predicts, and how good that is. B: batch, C: channels, H, W: height and width, K: classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from objectives.base.device import Precision, autocast
from objectives.data.batches.examples import Examples
from objectives.training.evaluation import EVALUATION_BATCH

CALIBRATION_BINS = 15


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """What is reported beside the accuracy; all from 0 to 1."""

    class_accuracy: Mapping[str, float | None]
    """The recall of each class; None for a class without examples."""
    macro_f1: float
    """The mean F1 of the classes that have examples or were predicted, as scikit-learn's default: a class that was
    predicted without examples counts as 0."""
    calibration_error: float
    """The mean distance between confidence and accuracy over 15 bins of confidence (Guo et al. 2017)."""


@torch.no_grad()
def predict(
    model: nn.Module, examples: Examples, precision: Precision
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Predict the class of every example; return the classes and their probabilities."""
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
    predicted: NDArray[np.int64], confidence: NDArray[np.float32], labels: NDArray[np.int64], classes: Sequence[str]
) -> Metrics:
    """Compare predictions with labels; `classes` has the name of each label."""
    # Imported here because it takes seconds, most of them for metrics of text and sound.
    from torchmetrics.functional.classification import (
        binary_calibration_error,
        multiclass_f1_score,
        multiclass_recall,
    )

    found, truth = torch.from_numpy(predicted), torch.from_numpy(labels.astype(np.int64))
    correct = (found == truth).long()
    recalls = multiclass_recall(found, truth, len(classes), average="none").tolist()
    examples = np.bincount(labels, minlength=len(classes))
    calibration = binary_calibration_error(torch.from_numpy(confidence), correct, n_bins=CALIBRATION_BINS)
    return Metrics(
        class_accuracy={
            name: recall if count else None for name, recall, count in zip(classes, recalls, examples, strict=True)
        },
        macro_f1=multiclass_f1_score(found, truth, len(classes), average="macro").item(),
        calibration_error=calibration.item(),
    )


def pack_predictions(predicted: NDArray[np.int64], confidence: NDArray[np.float32]) -> bytes:
    """Return predictions as they are stored: a little-endian int32 class and float32 probability for each example."""
    rows = np.empty(len(predicted), dtype=[("class", "<i4"), ("probability", "<f4")])
    rows["class"], rows["probability"] = predicted, confidence
    return rows.tobytes()
