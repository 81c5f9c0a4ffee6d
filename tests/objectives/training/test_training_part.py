"""The clean loss and accuracy on training images: a fixed, stratified part, measured as validation images are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from objectives.core.objective import Objective
from objectives.training import training_part
from objectives.training.evaluation import evaluate
from objectives.training.training_part import choose_training_part, pick_evenly
from spaces import Fixed, Space
from tests.objectives.training.made import CONFIG, digits, trained
from tests.objectives.training.test_layer_measurement import Noisy
from tests.objectives.training.test_snapshot import RICH


@pytest.mark.parametrize("count", [1, 10, 64, 333, 1000, 5000])
def test_every_class_has_its_share(count: int) -> None:
    generator = torch.Generator().manual_seed(count)
    labels = (torch.rand(1000, generator=generator) ** 2 * 7).long()
    picked = pick_evenly(labels, count)
    assert picked.tolist() == sorted(set(picked.tolist()))
    assert len(picked) == min(count, 1000)
    shares = np.bincount(labels, minlength=7) * len(picked) / 1000
    assert np.abs(np.bincount(labels[picked], minlength=7) - shares).max() <= 1


def test_the_part_is_a_tenth_and_no_larger_than_the_validation_part() -> None:
    data = digits()
    assert (len(data.train), len(data.validation)) == (1150, 288)
    assert len(choose_training_part(data)) == 128
    few = replace(data, validation=data.validation.choose(torch.arange(50)))
    assert len(choose_training_part(few)) == 50
    many = replace(data, train=data.train.choose(torch.arange(1150).repeat(2)))
    assert len(choose_training_part(many)) == 230
    assert len(choose_training_part(replace(data, train=data.train.choose(torch.arange(7))))) == 7


def test_the_clean_loss_is_that_of_an_evaluation_by_hand() -> None:
    model, curve = trained(
        config=RICH.replace(l2=1e-3, label_smoothing=0.2, schedule="constant", swa=False, warmup_epochs=0), epochs=1
    )
    expected = evaluate(model, choose_training_part(digits()), "float32")
    assert curve.of("train_loss") == [expected["loss"]]
    assert curve.of("train_accuracy") == [expected["accuracy"]]
    assert curve.of("train_objective")[0] > 2 * expected["loss"]


def test_measuring_does_not_change_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that draws random numbers in evaluation mode, too, is trained alike on any size of the part."""
    objective = Objective(data="digits", build_model=lambda config: Noisy(), space=Space(depth=Fixed(1)))
    _, curve = trained(objective, CONFIG)
    monkeypatch.setattr(training_part, "FEWEST", 1)
    monkeypatch.setattr(training_part, "SHARE", 1000)
    _, other = trained(objective, CONFIG)
    assert other.of("train_loss") != curve.of("train_loss")
    for name in ("accuracy", "loss", "train_objective"):
        assert other.of(name) == curve.of(name)
