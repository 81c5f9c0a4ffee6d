"""The schedule that looks at the validation loss."""

import json

import pytest

from objectives.schedules.catalogue import SCHEDULES
from objectives.schedules.rates import PlateauRates, build_rates
from spaces import Choice


def _driven(options: dict[str, float], losses: list[float], warmup_epochs: int = 0) -> list[float]:
    """The learning rate of each epoch, and of the one after the last."""
    epochs = len(losses) + 1
    rates = build_rates(Choice("plateau", options), 1.0, epochs, warmup_epochs=warmup_epochs, warmup_start=1.0)
    seen = []
    for epoch, loss in enumerate(losses):
        seen.append(rates.at(epoch, 0.0))
        assert rates.at(epoch, 0.9) == seen[-1]
        rates.observe(loss)
    return [*seen, rates.at(len(losses), 0.0)]


def test_drops_after_its_patience() -> None:
    losses = [1.0, 0.8, 0.9, 0.8, 0.7, 0.75, 0.75, 0.75, 0.75, 0.6]
    assert _driven({"factor": 0.5, "patience": 2}, losses) == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125]


def test_patience_of_one_drops_at_once() -> None:
    assert _driven({"factor": 0.1, "patience": 1}, [1.0, 1.0, 0.5, 0.6]) == pytest.approx([1, 1, 0.1, 0.1, 0.01])


def test_stays_while_the_loss_falls() -> None:
    assert _driven({}, [1 / (1 + epoch) for epoch in range(10)]) == [1.0] * 11


def test_defaults_are_patience_two_and_a_third() -> None:
    assert _driven({}, [1.0, 1.0, 1.0]) == pytest.approx([1.0, 1.0, 1.0, 0.3])


def test_better_is_better_by_the_threshold() -> None:
    """A tenth less each time is better by a threshold of 0.05, and no better by one of 0.2 until it adds up."""
    losses = [1.0, 0.9, 0.81, 0.729, 0.6561]
    assert _driven({"factor": 0.5, "patience": 1, "threshold": 0.05}, losses) == [1.0] * 6
    # best: 1, 1, 1, 0.729, 0.729
    assert _driven({"factor": 0.5, "patience": 1, "threshold": 0.2}, losses) == [1, 1, 0.5, 0.25, 0.25, 0.125]
    # best: 1, 1, 0.81, 0.81, 0.6561 by 0.15
    assert _driven({"factor": 0.5, "patience": 1, "threshold": 0.15}, losses) == [1, 1, 0.5, 0.5, 0.25, 0.25]


def test_default_threshold_is_a_hair() -> None:
    assert _driven({"factor": 0.5, "patience": 1}, [1.0, 0.99991]) == [1, 1, 0.5]
    assert _driven({"factor": 0.5, "patience": 1}, [1.0, 0.99989]) == [1, 1, 1]


def test_does_not_look_during_the_warm_up() -> None:
    losses = [0.1, 0.1, 0.1, 1.0, 0.9, 0.9]
    assert _driven({"factor": 0.5, "patience": 1}, losses, warmup_epochs=3) == [1, 1, 1, 1, 1, 1, 0.5]


@pytest.mark.parametrize("seen", range(8))
def test_state_goes_through_a_checkpoint(seen: int) -> None:
    losses = [1.0, 0.8, 0.9, 0.9, 0.95, 0.7, 0.71, 0.72]
    whole, resumed = (build_rates("plateau", 1.0, 9, warmup_epochs=2) for _ in range(2))
    for loss in losses[:seen]:
        whole.observe(loss)
    resumed.restore(json.loads(json.dumps(whole.state(), allow_nan=False)))
    assert resumed.state() == whole.state()
    for epoch, loss in enumerate(losses[seen:], start=seen):
        whole.observe(loss)
        resumed.observe(loss)
        assert resumed.at(epoch + 1, 0.0) == whole.at(epoch + 1, 0.0)
    assert whole.at(8, 0.0) == pytest.approx(0.09)


def test_needs_validation_examples() -> None:
    (condition,) = SCHEDULES["plateau"].conditions
    assert condition.is_broken_by(False)
    assert not condition.is_broken_by(True)
    assert isinstance(build_rates("plateau", 1.0, 3), PlateauRates)
