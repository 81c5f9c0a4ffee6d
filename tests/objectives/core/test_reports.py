"""What an objective may report."""

from __future__ import annotations

import math

import pytest
import torch

from objectives.base.errors import Diverged
from objectives.core.reports import read_metrics


def test_numbers_are_read_wherever_they_come_from() -> None:
    read = read_metrics(0, {"accuracy": torch.tensor(0.5), "loss": 2, "rate": math.inf})
    assert read == {"accuracy": 0.5, "loss": 2.0, "rate": math.inf}
    assert read_metrics(0, {"accuracy": 1 + 1e-9}) == {"accuracy": 1.0}


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ({"accuracy": 87.5}, "must be from 0 to 1, but got 87.5 in epoch 3; divide percentages by 100"),
        ({"accuracy": -0.1}, "must be from 0 to 1, but got -0.1"),
        ({"accuracy": None}, "the reported metric 'accuracy' must be a number, but got None"),
        ({"accuracy": True}, "the reported metric 'accuracy' must be a number, but got True"),
        ({"accuracy": 0.5, "f1": None}, "the reported metric 'f1' must be a number, but got None"),
        ({"accuracy": 0.5, "f1": torch.zeros(2)}, "the reported metric 'f1' must be a number"),
        ({"loss": 1.0}, "report needs an 'accuracy', but got loss"),
    ],
)
def test_a_report_that_breaks_a_rule_is_refused_with_its_value(metrics: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_metrics(3, metrics)


def test_an_accuracy_that_is_no_number_has_diverged() -> None:
    with pytest.raises(Diverged, match="accuracy became nan in epoch 3"):
        read_metrics(3, {"accuracy": math.nan})
