"""How often states are written, by a fake clock."""

import pytest

from search.workers.checkpointing import FIRST_COST_SECONDS, CheckpointInterval


class Clock:
    """Seconds that pass when the test advances them."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def writes(interval: CheckpointInterval, clock: Clock, *, epochs: int, epoch_seconds: float, cost: float) -> int:
    """Return how often a trial is written, given what its epochs and writes cost in seconds."""
    count = 0
    for _ in range(epochs):
        clock.now += epoch_seconds
        if interval.is_due():
            clock.now += cost
            interval.add_cost(cost)
            count += 1
    return count


@pytest.mark.parametrize("cost", [0.001, 0.1, 5.0])
@pytest.mark.parametrize("epoch_seconds", [0.01, 1.0, 60.0])
def test_writing_costs_no_more_than_its_share(cost: float, epoch_seconds: float) -> None:
    clock = Clock()
    interval, began = CheckpointInterval(0.02, clock), clock.now
    count = writes(interval, clock, epochs=3000, epoch_seconds=epoch_seconds, cost=cost)
    # Every write but the first, whose cost is unknown, fits into the share.
    assert (count - 1) * cost <= 0.02 * (clock.now - began)
    assert count >= min(3000, int(0.02 * 3000 * epoch_seconds / cost)) * 0.9 - 1


def test_nothing_is_written_before_it_pays() -> None:
    clock = Clock()
    interval = CheckpointInterval(0.02, clock)
    clock.now += FIRST_COST_SECONDS / 0.02 - 0.01
    assert not interval.is_due()
    clock.now += 0.02
    assert interval.is_due()


def test_a_share_of_one_writes_after_every_epoch() -> None:
    clock = Clock()
    assert writes(CheckpointInterval(1.0, clock), clock, epochs=7, epoch_seconds=0.0, cost=100.0) == 7


def test_debts_are_inherited_and_savings_are_not() -> None:
    clock = Clock()
    interval = CheckpointInterval(0.02, clock)
    clock.now += 10_000
    interval.begin()
    assert not interval.is_due()
    clock.now += 100
    interval.add_cost(4.0)  # twice what the trial may spend in its 100 s
    interval.begin()
    clock.now += 299  # 2 s are owed and 4 s are the next one's cost: 300 s of training
    assert not interval.is_due()
    clock.now += 2
    assert interval.is_due()
