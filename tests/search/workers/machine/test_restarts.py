"""When workers that died are started again, by a clock that the test turns."""

from __future__ import annotations

import pytest

from search.workers.machine.restarts import DEATHS_THAT_STOP, Patience, Restarts


class Clock:
    """A clock that stands still between the test's steps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """One for each test."""
    return Clock()


def test_waits_double_up_to_a_minute() -> None:
    waits = [Patience().wait_after(deaths) for deaths in (1, 2, 3, 4, 5, 6, 7, 8, 9, 5000)]
    assert waits == [0, 1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_worker_waits_longer_with_each_death_until_it_has_trained_an_epoch(clock: Clock) -> None:
    restarts = Restarts(["cuda:0", "cuda:1"], clock=clock)
    for wait in (0, 1, 2):
        restarts.note_death(0)
        assert restarts.waiting
        if wait:
            clock.now += wait - 0.1
            assert restarts.take_due() == []
            clock.now += 0.1
        assert restarts.take_due() == [0]
        assert not restarts.waiting
    restarts.note_epoch(0)
    restarts.note_death(0)
    assert restarts.take_due() == [0]


def test_a_place_is_given_up_after_five_deaths_of_each_of_its_workers(clock: Clock) -> None:
    restarts = Restarts(["cuda:0", "cuda:1", "cuda:0"], clock=clock)
    restarts.note_death(1)
    told = [restarts.note_death(worker) for _ in range(DEATHS_THAT_STOP) for worker in (0, 2)]
    assert told == [False] * (2 * DEATHS_THAT_STOP - 1) + [True]
    assert (restarts.given_up, restarts.places) == ({"cuda:0": 2 * DEATHS_THAT_STOP}, ["cuda:1"])
    clock.now += 1000
    assert restarts.take_due() == [1]
    assert not restarts.note_death(2)
    assert not restarts.waiting


def test_an_epoch_of_one_worker_shows_that_its_device_works(clock: Clock) -> None:
    restarts = Restarts(["cuda:0", "cuda:0"], clock=clock)
    for _ in range(3 * DEATHS_THAT_STOP):
        assert not restarts.note_death(0)
        restarts.note_epoch(1)
    assert restarts.places == ["cuda:0"]


def test_a_death_that_is_not_the_devices_fault_costs_no_wait(clock: Clock) -> None:
    restarts = Restarts(["cpu"], clock=clock)
    for _ in range(3 * DEATHS_THAT_STOP):
        assert not restarts.note_death(0, counts=False)
        assert restarts.take_due() == [0]


def test_added_workers_count_and_all_that_wait_can_be_hurried(clock: Clock) -> None:
    restarts = Restarts(["cuda:0"], clock=clock)
    restarts.add("cuda:0")
    for _ in range(4):
        restarts.note_death(0)
        restarts.note_death(1)
    assert restarts.take_due() == []
    restarts.hurry()
    assert restarts.take_due() == [0, 1]
