"""The warm-up, in front of every schedule."""

import pytest

from objectives.base.errors import ObjectiveError
from objectives.schedules.building import build_rates
from objectives.schedules.catalogue import SCHEDULES

# What each schedule starts with.
FIRST = {name: 0.1 if name in ("one_cycle", "cyclic") else 1.0 for name in SCHEDULES}


@pytest.mark.parametrize("name", SCHEDULES)
def test_rises_linearly_to_the_schedules_first_rate(name: str) -> None:
    rates = build_rates(name, 0.5, 12, warmup_epochs=2)
    # 0.1 + 0.9 t/2 at t = 0, 1/2, 1, 3/2
    got = [rates.at(epoch, fraction) for epoch in (0, 1) for fraction in (0.0, 0.5)]
    assert got == pytest.approx([0.5 * FIRST[name] * factor for factor in (0.1, 0.325, 0.55, 0.775)], abs=1e-9)
    assert rates.at(1, 1.0) == pytest.approx(0.5 * FIRST[name])


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_schedule_has_the_epochs_that_are_left(name: str) -> None:
    warmed, plain = build_rates(name, 0.5, 12, warmup_epochs=2), build_rates(name, 0.5, 10)
    for epoch in range(10):
        for fraction in (0.0, 0.3, 1.0):
            assert warmed.at(epoch + 2, fraction) == plain.at(epoch, fraction)
            assert warmed.momentum(epoch + 2, fraction) == plain.momentum(epoch, fraction)
            assert warmed.has_dip(epoch + 2, 0.0, fraction) == plain.has_dip(epoch, 0.0, fraction)


def test_start_is_an_option() -> None:
    rates = build_rates("constant", 1.0, 5, warmup_epochs=4, warmup_start=0.2)
    assert [rates.at(epoch, 0.0) for epoch in range(5)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])


def test_momentum_waits_at_its_first_value() -> None:
    rates = build_rates("one_cycle", 1.0, 12, warmup_epochs=2)
    assert [rates.momentum(epoch, 0.5) for epoch in (0, 1)] == [0.95, 0.95]
    assert rates.momentum(2, 0.5) == pytest.approx(0.95 - 0.1 * 0.5 / 4.5)


@pytest.mark.parametrize("name", SCHEDULES)
def test_none_is_no_change(name: str) -> None:
    rates = build_rates(name, 0.5, 10, warmup_epochs=0, warmup_start=0.5)
    assert rates.at(0, 0.0) == pytest.approx(0.5 * FIRST[name])
    assert type(rates) is type(build_rates(name, 0.5, 10))


@pytest.mark.parametrize("warmup", [3, 4])
def test_something_must_be_left_for_the_schedule(warmup: int) -> None:
    with pytest.raises(ObjectiveError, match=f"got warmup_epochs={warmup}, epochs=3"):
        build_rates("cosine", 0.1, 3, warmup_epochs=warmup)
    build_rates("cosine", 0.1, warmup + 1, warmup_epochs=warmup)
