"""What a network predicts, and how good that is. B: batch, C: channels, H, W: height and width, K: classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from objectives.base.device import Precision, autocast
from objectives.data.batches.examples import Examples
from objectives.training.evaluation import EVALUATION_BATCH
from objectives.variants.dropout import McDropout
from search.evaluation.results.abstention import AbstentionPoint, measure_abstention

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
    abstention: tuple[AbstentionPoint, ...]
    """The accuracy over the most certain shares of the examples."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """What a network predicts for N examples."""

    classes_N: NDArray[np.int64]
    confidence_N: NDArray[np.float32]
    """The probability of the predicted class."""
    deviation_N: NDArray[np.float32] | None
    """The standard deviation of that probability over Monte Carlo samples; None for a network that draws none."""

    @property
    def certainty_N(self) -> NDArray[np.float32]:
        """What tells certain predictions from others: a low deviation where there is one, else a high probability."""
        return self.confidence_N if self.deviation_N is None else -self.deviation_N

    @property
    def mean_deviation(self) -> float | None:
        """The mean standard deviation of the predicted classes' probabilities; None without one."""
        return None if self.deviation_N is None else float(self.deviation_N.mean(dtype=np.float64))


@torch.no_grad()
def predict(model: nn.Module, examples: Examples, precision: Precision) -> Predictions:
    """Predict the class of every example, in evaluation mode."""
    model.eval()
    batches = [
        _predict_batch(model, x_BCHW, examples.device, precision)
        for x_BCHW, _ in examples.batches(EVALUATION_BATCH, order_seed=None)
    ]
    classes, confidence, deviations = zip(*batches, strict=True)
    return Predictions(
        classes_N=torch.cat(classes).numpy(),
        confidence_N=torch.cat(confidence).numpy(),
        deviation_N=torch.cat(deviations).numpy() if isinstance(model, McDropout) else None,
    )


def _predict_batch(
    model: nn.Module, x_BCHW: Tensor, device: torch.device, precision: Precision
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the classes, their probabilities and the deviations of these, (B,) each; without samples these are 0."""
    with autocast(device, precision):
        if isinstance(model, McDropout):
            probabilities_BK, deviations_BK = model.predict_moments(x_BCHW)
        else:
            probabilities_BK = model(x_BCHW).float().softmax(dim=1)
            deviations_BK = torch.zeros_like(probabilities_BK)
    best = probabilities_BK.max(dim=1)
    deviations_B = deviations_BK.gather(1, best.indices[:, None]).squeeze(1)
    return best.indices.cpu(), best.values.cpu(), deviations_B.cpu()


def compute_metrics(predictions: Predictions, labels: NDArray[np.int64], classes: Sequence[str]) -> Metrics:
    """Compare predictions with labels; `classes` has the name of each label."""
    # Imported here because it takes seconds, most of them for metrics of text and sound.
    from torchmetrics.functional.classification import (
        binary_calibration_error,
        multiclass_f1_score,
        multiclass_recall,
    )

    found, truth = torch.from_numpy(predictions.classes_N), torch.from_numpy(labels.astype(np.int64))
    correct = (found == truth).long()
    recalls = multiclass_recall(found, truth, len(classes), average="none").tolist()
    examples = np.bincount(labels, minlength=len(classes))
    calibration = binary_calibration_error(torch.from_numpy(predictions.confidence_N), correct, n_bins=CALIBRATION_BINS)
    return Metrics(
        class_accuracy={
            name: recall if count else None for name, recall, count in zip(classes, recalls, examples, strict=True)
        },
        macro_f1=multiclass_f1_score(found, truth, len(classes), average="macro").item(),
        calibration_error=calibration.item(),
        abstention=measure_abstention(correct.numpy() == 1, predictions.certainty_N),
    )


def pack_predictions(predictions: Predictions) -> bytes:
    """Return predictions as they are stored: a little-endian int32 class and float32 probability for each example.

    A network that samples has a float32 standard deviation of that probability in each row as well.
    """
    columns = {"class": ("<i4", predictions.classes_N), "probability": ("<f4", predictions.confidence_N)}
    if predictions.deviation_N is not None:
        columns["deviation"] = ("<f4", predictions.deviation_N)
    rows = np.empty(len(predictions.classes_N), dtype=[(name, kind) for name, (kind, _) in columns.items()])
    for name, (_, values) in columns.items():
        rows[name] = values
    return rows.tobytes()
