"""What is reported beside the accuracy, compared with scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score, recall_score

from search.evaluation.metrics import Predictions, compute_metrics

CLASSES = ("ant", "bee", "cat", "dog", "eel", "fox")


@pytest.mark.parametrize(
    ("predicted", "labelled"),
    [(6, 6), (5, 4), (4, 5), (3, 3)],
    ids=["all", "predicted without examples", "never predicted", "neither"],
)
def test_macro_f1_and_the_recalls_are_those_of_scikit_learn(predicted: int, labelled: int) -> None:
    random = np.random.default_rng(0)
    found, labels = random.integers(0, predicted, 60), random.integers(0, labelled, 60)
    predictions = Predictions(classes_N=found, confidence_N=np.full(60, 0.5, np.float32), deviation_N=None)
    metrics = compute_metrics(predictions, labels, CLASSES)
    assert metrics.macro_f1 == pytest.approx(f1_score(labels, found, average="macro", zero_division=0.0))
    recalls = recall_score(labels, found, average=None, labels=range(labelled), zero_division=0.0)
    expected = [*recalls, *[None] * (len(CLASSES) - labelled)]
    assert list(metrics.class_accuracy.values()) == pytest.approx(expected)
