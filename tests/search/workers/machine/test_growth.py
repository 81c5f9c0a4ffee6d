"""How many workers a GPU gets, on a GPU whose rate is a formula."""

from collections.abc import Callable

import pytest

from search.workers.machine.growth import Growth


def grow(rate: Callable[[int], float], *, limit: int = 16, workers: int = 1, fitting: int = 1000) -> int:
    """The number of workers in the end, if `rate(workers)` epochs a second are trained and starting takes 4 seconds."""
    growth, epochs, idle = Growth(limit=limit, workers=workers), 0.0, 4
    for second in range(600):
        idle -= 1
        epochs += 0.0 if idle > 0 else rate(growth.workers)
        if growth.observe(float(second), int(epochs), lambda _: fitting):
            idle = 4
    return growth.workers


def test_workers_are_added_while_each_brings_a_tenth_of_the_first() -> None:
    assert grow(lambda n: 2.0 * n) == 16
    assert grow(lambda n: 2.0 * min(n, 4)) == 8  # the last doubling showed that it brings nothing
    assert grow(lambda n: 2.0) == 2
    assert grow(lambda n: 2.0 + 0.3 * (n - 1)) == 16
    assert grow(lambda n: 2.0 + 0.1 * (n - 1)) == 2


def test_no_more_than_there_are_cores_or_fit_into_memory() -> None:
    assert grow(lambda n: float(n), limit=6) == 6
    assert grow(lambda n: float(n), fitting=3) == 3
    assert grow(lambda n: float(n), fitting=0) == 1
    assert grow(lambda n: float(n), workers=2, limit=7) == 7


def test_several_gpus_grow_together_by_what_all_of_them_train() -> None:
    growth, epochs, idle = Growth(limit=4, workers=1, devices=8), 0.0, 4
    added = []
    for second in range(200):
        idle -= 1
        epochs += 0.0 if idle > 0 else 2.0 * growth.total
        if more := growth.observe(float(second), int(epochs), lambda workers: 3):
            added.append(more)
            idle = 4
    assert (added, growth.workers, growth.total, growth.ended) == ([1, 1], 3, 24, True)


@pytest.mark.parametrize("rate", [0.01, 0.1])
def test_slow_trainings_are_measured_over_epochs_and_not_over_seconds(rate: float) -> None:
    growth = Growth(limit=8, workers=1)
    added = [growth.observe(float(second), int(second * rate), lambda _: 8) for second in range(10_000)]
    first = next(second for second, more in enumerate(added) if more)
    assert first >= 4 / rate  # one to get warm, three to measure
