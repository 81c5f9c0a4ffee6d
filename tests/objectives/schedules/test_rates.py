"""Rates over a run: momentum, dips, rates resumed, rates replayed from a record."""

import pytest

from objectives.schedules.building import ReplayedRates, build_rates
from objectives.schedules.catalogue import SCHEDULES
from objectives.schedules.epoch_rates import tabulate_epoch
from objectives.schedules.rates import Rates
from spaces import Choice

STEPS = 7


def _run(rates: Rates, first: int, epochs: int) -> list[tuple[float, float | None, bool]]:
    """What the training loop sees at every step from the epoch `first` on."""
    return [
        (
            rates.at(epoch, step / STEPS),
            rates.momentum(epoch, step / STEPS),
            rates.has_dip(epoch, step / STEPS, (step + 1) / STEPS),
        )
        for epoch in range(first, epochs)
        for step in range(STEPS)
    ]


@pytest.mark.parametrize("warmup", [0, 2])
@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("start", [1, 5])
def test_resumed_it_is_the_same(name: str, start: int, warmup: int) -> None:
    losses = [1.0, 0.9, 0.95, 0.97, 0.8, 0.85, 0.85, 0.7, 0.9, 0.9]
    whole, resumed = (build_rates(name, 0.3, 10, warmup_epochs=warmup) for _ in range(2))
    seen = []
    for epoch, loss in enumerate(losses):
        if epoch == start:
            resumed.restore(whole.state())
        seen += _run(whole, epoch, epoch + 1)
        whole.observe(loss, 0.5)
        if epoch >= start:
            assert _run(resumed, epoch, epoch + 1) == seen[-STEPS:]
            resumed.observe(loss, 0.5)
    assert _run(resumed, 9, 10) == _run(whole, 9, 10)


@pytest.mark.parametrize("name", [name for name, entry in SCHEDULES.items() if not entry.needs_metric])
def test_pure_schedules_do_not_look(name: str) -> None:
    rates = build_rates(name, 1.0, 10)
    before = _run(rates, 0, 10)
    rates.observe(3.0, 0.1)
    assert _run(rates, 0, 10) == before
    assert rates.state() == {}


def test_momentum_of_one_cycle() -> None:
    rates = build_rates("one_cycle", 0.4, 10)
    # 0.95 - 0.1 t/4.5 down, then up again; 0.95 in the last epoch
    table = [
        0.95,
        0.92777778,
        0.90555556,
        0.88333333,
        0.86111111,
        0.86111111,
        0.88333333,
        0.90555556,
        0.92777778,
        0.95,
    ]
    assert [rates.momentum(epoch, 0.0) for epoch in range(10)] == pytest.approx(table, abs=1e-6)
    assert rates.momentum(4, 0.5) == pytest.approx(0.85)
    assert [rates.momentum(9, fraction) for fraction in (0.25, 0.5, 1.0)] == pytest.approx([0.95] * 3)


def test_a_retraining_with_more_steps_has_the_momentum_of_the_same_moments() -> None:
    rates = build_rates(Choice("one_cycle", {"momentum_high": 0.9, "momentum_low": 0.6}), 0.4, 10)
    for epoch in range(10):
        searched, retrained = (tabulate_epoch(rates, epoch, steps, 1.0) for steps in (5, 10))
        assert retrained.momenta is not None
        assert retrained.momenta[::2] == searched.momenta
        assert retrained.learning_rates[::2] == searched.learning_rates
    assert rates.momentum(4, 0.5) == pytest.approx(0.6)
    assert rates.momentum(0, 0.0) == rates.momentum(9, 0.5) == pytest.approx(0.9)


def test_momentum_is_one_cycles_alone() -> None:
    moving = [name for name in SCHEDULES if build_rates(name, 1.0, 10).momentum(3, 0.5) is not None]
    assert moving == ["one_cycle"]


def _dips(rates: Rates, epochs: int, steps: int = STEPS) -> list[tuple[int, int]]:
    """The steps, with their epochs, that end at a dip or have one within."""
    return [
        (epoch, step)
        for epoch in range(epochs)
        for step in range(steps)
        if rates.has_dip(epoch, step / steps, (step + 1) / steps)
    ]


def test_the_dip_of_a_cosine_is_its_last_step() -> None:
    assert _dips(build_rates("cosine", 1.0, 10), 10) == [(9, 6)]


def test_dips_lie_where_the_schedule_has_them() -> None:
    # 10/3 is a third of epoch 3: in the third of seven steps; 5 is the end of epoch 4
    assert _dips(build_rates("cosine_dips", 1.0, 10), 10) == [(3, 2), (9, 6)]
    assert _dips(build_rates("cosine_restarts", 1.0, 10), 10) == [(4, 6), (9, 6)]
    # 12 epochs after two of warm-up: 4 and 12 of those
    assert _dips(build_rates("cosine_dips", 1.0, 14, warmup_epochs=2), 14) == [(5, 6), (13, 6)]


@pytest.mark.parametrize("steps", [1, 3, 7, 49, 100])
@pytest.mark.parametrize("epochs", [8, 9, 10, 11, 13, 30])
def test_every_dip_is_seen_once_however_its_time_rounds(steps: int, epochs: int) -> None:
    for count in range(1, epochs // 4 + 1):
        found = _dips(build_rates(Choice("cosine_dips", {"dips": count}), 1.0, epochs), epochs, steps)
        assert len(found) == count
        assert found[-1] == (epochs - 1, steps - 1)
    for count in range(1, 8):
        choice = Choice("cosine_restarts", {"cycles": count})
        found = _dips(build_rates(choice, 1.0, epochs, warmup_epochs=1), epochs, steps)
        assert found[-1] == (epochs - 1, steps - 1)
        assert steps < 7 or len(found) == count


def test_schedules_without_a_minimum_have_no_dips() -> None:
    for name in (name for name, entry in SCHEDULES.items() if entry.dips is None):
        assert _dips(build_rates(name, 1.0, 10), 10) == []


def test_replayed_rates_see_the_recorded_losses_only() -> None:
    schedule = Choice("plateau", {"patience": 0, "factor": 0.5})
    losses = [1.0, 1.0, 0.9, 0.9, 0.8, 0.9]
    recorded, plain = (build_rates(schedule, 0.1, 6, warmup_epochs=2) for _ in range(2))
    replayed = ReplayedRates(rates=recorded, values=losses)
    for epoch, loss in enumerate(losses):
        assert _run(replayed, epoch, epoch + 1) == _run(plain, epoch, epoch + 1)
        assert replayed.state() == plain.state()
        plain.observe(loss, 0.5)
        replayed.observe(1 / (1 + epoch), 0.5)
    assert replayed.at(5, 0.0) == 0.025
    resumed = ReplayedRates(rates=build_rates(schedule, 0.1, 6, warmup_epochs=2), values=losses)
    resumed.restore(replayed.state())
    assert _run(resumed, 5, 6) == _run(replayed, 5, 6)
