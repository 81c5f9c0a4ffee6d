"""Rates that look at the loss, and rates replayed from a record."""

import pytest

from objectives.schedules.rates import Plateau, Replayed, Scheduled, rates_for
from spaces import Choice


def _driven(options: dict[str, float], losses: list[float]) -> list[float]:
    """The learning rate of each epoch, and of the one after the last."""
    rates = rates_for(Choice("plateau", options), 1.0, len(losses))
    assert isinstance(rates, Plateau)
    seen = []
    for epoch, loss in enumerate(losses):
        seen.append(rates.at(epoch, 0.0))
        assert rates.at(epoch, 0.9) == seen[-1]
        rates.observe(loss)
    return [*seen, rates.at(len(losses), 0.0)]


def test_plateau_drops_after_its_patience() -> None:
    losses = [1.0, 0.8, 0.9, 0.8, 0.7, 0.75, 0.75, 0.75, 0.75, 0.6]
    assert _driven({"factor": 0.5, "patience": 2}, losses) == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125]


def test_plateau_of_patience_one_drops_at_once() -> None:
    assert _driven({"factor": 0.1, "patience": 1}, [1.0, 1.0, 0.5, 0.6]) == pytest.approx([1, 1, 0.1, 0.1, 0.01])


def test_plateau_stays_while_the_loss_falls() -> None:
    assert _driven({}, [1 / (1 + epoch) for epoch in range(10)]) == [1.0] * 11


def test_plateau_defaults_to_patience_two_and_a_third() -> None:
    assert _driven({}, [1.0, 1.0, 1.0]) == pytest.approx([1.0, 1.0, 1.0, 0.3])


def test_pure_schedules_do_not_look() -> None:
    rates = rates_for(Choice("exponential"), 1.0, 5)
    assert isinstance(rates, Scheduled)
    before = [rates.at(epoch, 0.0) for epoch in range(5)]
    rates.observe(3.0)
    assert [rates.at(epoch, 0.0) for epoch in range(5)] == before


def test_replayed_is_linear_within_an_epoch() -> None:
    rates = Replayed([(1.0, 0.5), (0.4, 0.4), (0.1, 0.0)])
    assert [rates.at(0, fraction) for fraction in (0.0, 0.25, 0.5, 1.0)] == [1.0, 0.875, 0.75, 0.5]
    assert [rates.at(1, fraction) for fraction in (0.0, 0.5, 1.0)] == [0.4] * 3
    assert rates.at(2, 1.0) == 0.0
    rates.observe(3.0)
    assert rates.at(0, 0.0) == 1.0


def test_record_of_a_cosine_replays_it_closely() -> None:
    cosine = rates_for(Choice("cosine"), 0.1, 10)
    replayed = Replayed([(cosine.at(epoch, 0.0), cosine.at(epoch, 1.0)) for epoch in range(10)])
    for epoch in range(10):
        for step in range(7):
            assert replayed.at(epoch, step / 7) == pytest.approx(cosine.at(epoch, step / 7), abs=0.1 * 0.0125)
