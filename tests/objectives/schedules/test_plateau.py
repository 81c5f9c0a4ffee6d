"""The schedule that looks at the validation metrics: torch's own, epoch by epoch."""

import json
import random
from typing import Any

import pytest
import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from objectives.base.errors import ObjectiveError
from objectives.schedules.building import build_rates
from objectives.schedules.catalogue import SCHEDULES
from objectives.schedules.plateau import PlateauRates
from spaces import Choice

INITIAL = 0.3


def _draw(seed: int) -> tuple[dict[str, Any], list[tuple[float, float]]]:
    """Options and a series of (loss, accuracy): they fall and rise, stand still, and move by about the threshold."""
    draw = random.Random(seed)
    options: dict[str, Any] = {
        "factor": draw.choice([0.1, 0.3, 0.5, 0.9]),
        "patience": draw.randint(0, 10),
        "threshold": draw.choice([0.0, 1e-4, 0.05, 0.1]),
        "mode": draw.choice(["loss", "accuracy"]),
        "cooldown": draw.choice([0, 0, 1, 4]),
        "min_lr": draw.choice([0.0, 1e-3, 0.05, 1.0]),
    }
    series, loss, accuracy = [], 2.0, 0.1
    for _ in range(60):
        change = draw.choice([0.0, 0.0, 1e-5, 0.02, 0.1]) * draw.choice([1, -1])
        loss, accuracy = loss * (1 - change), min(1.0, max(0.0, accuracy * (1 + change)))
        series.append((loss, accuracy))
    return options, series


@pytest.mark.parametrize("block", range(4))
def test_it_is_torchs_over_random_series(block: int) -> None:
    for seed in range(100 * block, 100 * block + 100):
        options, series = _draw(seed)
        optimizer = torch.optim.SGD([torch.zeros(1)], lr=INITIAL)
        expected = ReduceLROnPlateau(
            optimizer,
            mode="max" if options["mode"] == "accuracy" else "min",
            **{name: value for name, value in options.items() if name != "mode"},
        )
        rates = build_rates(Choice("plateau", options), INITIAL, len(series))
        for epoch, (loss, accuracy) in enumerate(series):
            assert rates.at(epoch, 0.7) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12), (seed, epoch)
            rates.observe(loss, accuracy)
            expected.step(accuracy if options["mode"] == "accuracy" else loss)


def _driven(options: dict[str, Any], losses: list[float], warmup_epochs: int = 0) -> list[float]:
    """The learning rate of each epoch, and of the one after the last."""
    epochs = len(losses) + 1
    rates = build_rates(Choice("plateau", options), 1.0, epochs, warmup_epochs=warmup_epochs, warmup_start=1.0)
    seen = []
    for epoch, loss in enumerate(losses):
        seen.append(rates.at(epoch, 0.0))
        assert rates.at(epoch, 0.9) == seen[-1]
        rates.observe(loss, 0.5)
    return [*seen, rates.at(len(losses), 0.0)]


def test_drops_after_more_epochs_than_its_patience() -> None:
    losses = [1.0, 0.8, 0.9, 0.8, 0.7, 0.75, 0.75, 0.75, 0.75, 0.6]
    assert _driven({"factor": 0.5, "patience": 1}, losses) == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125]


def test_defaults_are_patience_two_and_a_third() -> None:
    assert _driven({}, [1.0] * 4) == pytest.approx([1.0, 1.0, 1.0, 1.0, 0.3])


def test_does_not_look_during_the_warm_up() -> None:
    losses = [0.1, 0.1, 0.1, 1.0, 0.9, 0.9]
    assert _driven({"factor": 0.5, "patience": 0}, losses, warmup_epochs=3) == [1, 1, 1, 1, 1, 1, 0.5]


@pytest.mark.parametrize("seed", range(8))
def test_state_goes_through_a_checkpoint(seed: int) -> None:
    options, series = _draw(seed)
    left = random.Random(seed).randrange(40)
    whole, resumed = (build_rates(Choice("plateau", options), 1.0, 60, warmup_epochs=2) for _ in range(2))
    for loss, accuracy in series[:left]:
        whole.observe(loss, accuracy)
    resumed.restore(json.loads(json.dumps(whole.state(), allow_nan=False)))
    assert resumed.state() == whole.state()
    for epoch, metrics in enumerate(series[left:], start=left):
        whole.observe(*metrics)
        resumed.observe(*metrics)
        assert resumed.at(epoch + 1, 0.0) == whole.at(epoch + 1, 0.0)


def test_a_checkpoint_without_a_cooldown_is_read() -> None:
    rates = build_rates("plateau", 1.0, 9)
    rates.restore({"seen": 3, "waited": 1, "reductions": 1, "best": 0.5})
    assert rates.at(3, 0.0) == pytest.approx(0.3)


def test_mode_is_one_of_two() -> None:
    with pytest.raises(
        ObjectiveError, match=r"^mode of schedule 'plateau' must be one of loss,accuracy, but got 'los'$"
    ):
        build_rates(Choice("plateau", {"mode": "los"}), 1.0, 3)


def test_needs_validation_examples() -> None:
    (condition,) = SCHEDULES["plateau"].conditions
    assert condition.is_broken_by(False)
    assert not condition.is_broken_by(True)
    assert isinstance(build_rates("plateau", 1.0, 3), PlateauRates)
