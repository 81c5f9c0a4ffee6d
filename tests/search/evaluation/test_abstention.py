"""The accuracy over the most certain images, compared with a table computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from search.evaluation.metrics import Predictions, pack_predictions
from search.evaluation.results.abstention import COVERAGES, describe_abstention, measure_abstention


def test_the_least_certain_images_are_left_out_first() -> None:
    correct = np.array([True, False, True, True, False, True, True, True, False, True])
    certainty = np.array([0.9, 0.1, 0.8, 0.7, 0.2, 0.6, 0.95, 0.5, 0.3, 0.85])
    # In order of certainty: seven are right, then the three mistakes (0.3, 0.2, 0.1) come.
    points = measure_abstention(correct, certainty)
    assert [point.coverage for point in points] == list(COVERAGES)
    # round(9.5) is 10 in Python: halves go to the even number.
    assert [point.accuracy for point in points] == pytest.approx([7 / 10, 7 / 10, 7 / 9, 7 / 8, 1, 1, 1])
    assert describe_abstention(points[3:5]) == "0.8750 of 80%, 1.0000 of 70%"


def test_of_equally_certain_images_the_first_are_answered() -> None:
    points = measure_abstention(np.array([True, True, False, False]), np.full(4, 0.5))
    assert points[-1].accuracy == 1.0
    assert measure_abstention(np.array([False]), np.array([0.3]))[-1].accuracy == 0.0


def test_a_low_deviation_is_certain_and_is_stored_with_the_prediction() -> None:
    found = Predictions(
        classes_N=np.array([1, 0]), confidence_N=np.array([0.5, 0.9], "f4"), deviation_N=np.array([0.25, 0.75], "f4")
    )
    assert found.certainty_N.argmax() == 0
    assert found.mean_deviation == 0.5
    rows = np.frombuffer(
        pack_predictions(found), dtype=[("class", "<i4"), ("probability", "<f4"), ("deviation", "<f4")]
    )
    assert rows.tolist() == [(1, 0.5, 0.25), (0, pytest.approx(0.9), 0.75)]
    plain = Predictions(classes_N=found.classes_N, confidence_N=found.confidence_N, deviation_N=None)
    assert (plain.certainty_N.argmax(), plain.mean_deviation) == (1, None)
    assert len(pack_predictions(plain)) == 16
