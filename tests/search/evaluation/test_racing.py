"""Racing: bounds worked out by hand, and who drops out when."""

from __future__ import annotations

import math

import pytest

from search.errors import UsageError
from search.evaluation import racing
from search.evaluation.racing import BEHIND, Excluded, Race, Standing
from search.statistics.intervals import half_width, spread, student

STEP = 0.001


@pytest.mark.parametrize(
    ("probability", "degrees", "quantile"),
    [  # Student's own table
        *((0.95, 1, 6.314), (0.95, 2, 2.920), (0.95, 4, 2.132), (0.95, 8, 1.860)),
        *((0.975, 2, 4.303), (0.99, 3, 4.541), (0.5, 5, 0.0)),
    ],
)
def test_quantiles_of_t(probability: float, degrees: int, quantile: float) -> None:
    assert student(probability, degrees) == pytest.approx(quantile, abs=5e-4)


@pytest.mark.parametrize(
    ("values", "step", "expected"),
    [
        ((0.9, 0.92), STEP, 0.01 * math.sqrt(2)),
        ((0.90, 0.92, 0.94), STEP, 0.02),
        ((0.9, 0.9, 0.9), STEP, STEP / math.sqrt(12)),  # equal to the image is not equal
        ((0.9, 0.9, 0.9), 0.0, 0.0),
    ],
)
def test_spread(values: tuple[float, ...], step: float, expected: float) -> None:
    assert spread(values, step) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("values", "half"),
    [
        ((0.90, 0.92, 0.94), 2.919986 * 0.02 / math.sqrt(3)),
        ((0.90, 0.92), 6.313752 * 0.0141421 / math.sqrt(2)),
        ((0.5, 0.5, 0.5), 2.919986 * 0.000288675 / math.sqrt(3)),
    ],
)
def test_half_widths_and_lower_bounds(values: tuple[float, ...], half: float) -> None:
    assert half_width(values, STEP, 0.95) == pytest.approx(half, rel=1e-5)
    assert racing.lower_bound(values, STEP) == pytest.approx(sum(values) / len(values) - half, rel=1e-5)


@pytest.mark.parametrize(
    ("accuracies", "dropped"),
    [
        # Variances .0002 each; t(0.95, 2) = 2.920; 2.920 * sqrt(2 * .0002 / 2) = .04129.
        ({1: (0.90, 0.92), 2: (0.86, 0.88)}, []),
        ({1: (0.90, 0.92), 2: (0.858, 0.878)}, [2]),
        # The same differences, with a third that shares the doubt: t(0.975, 3) = 3.182, .0450.
        ({1: (0.90, 0.92), 2: (0.858, 0.878), 3: (0.90, 0.92)}, []),
        ({3: (0.854, 0.874), 1: (0.90, 0.92), 2: (0.90, 0.92)}, [3]),
        # Variances .0001 each after three rounds; t(0.95, 4) = 2.132; 2.132 * sqrt(2 * .0001 / 3) = .01741.
        ({1: (0.90, 0.91, 0.92), 2: (0.883, 0.893, 0.903)}, []),
        ({1: (0.90, 0.91, 0.92), 2: (0.882, 0.892, 0.902)}, [2]),
        # One that is unsteady makes all differences smaller than chance.
        ({1: (0.90, 0.92), 2: (0.85, 0.87), 3: (0.95, 0.10)}, []),
        ({1: (0.90, 0.90), 2: (0.90, 0.90)}, []),
        ({1: (0.90, 0.92)}, []),
        ({}, []),
    ],
)
def test_who_is_behind(accuracies: dict[int, tuple[float, ...]], dropped: list[int]) -> None:
    assert racing.find_behind(accuracies, STEP) == dropped


def test_the_pick_is_the_steadier_of_two_and_the_first_of_equals() -> None:
    # 0.92 - 1.6859 * 0.02 = 0.8863; 0.91 - 1.6859 * 0.01 = 0.8931.
    assert racing.pick_winner({1: (0.90, 0.92, 0.94), 2: (0.90, 0.91, 0.92)}, STEP) == 2
    assert racing.pick_winner({1: (0.90, 0.92, 0.94), 2: (0.89, 0.90, 0.91)}, STEP) == 1
    assert racing.pick_winner({7: (0.9, 0.92), 2: (0.9, 0.92)}, STEP) == 7


class Table:
    """Accuracies by candidate and round; None for one that excludes itself."""

    def __init__(self, rows: dict[int, tuple[float | None, ...]]) -> None:
        self.rows = rows
        self.asked: list[tuple[int, int]] = []

    def __call__(self, number: int, index: int) -> float:
        self.asked.append((number, index))
        value = self.rows[number][index]
        if value is None:
            raise Excluded("diverged")
        return value


def test_a_race_drops_who_is_behind_and_who_cannot_go_on() -> None:
    table = Table({4: (0.90, 0.92, 0.91), 1: (0.50, 0.52, 0.51), 9: (0.95, None, 0.95), 3: (0.89, 0.91, 0.90)})
    standings = racing.run_race([4, 1, 9, 3], 3, table, STEP)
    assert standings == {
        4: Standing(accuracies=(0.90, 0.92, 0.91)),
        1: Standing(accuracies=(0.50, 0.52), dropped_in=2, reason=BEHIND),
        9: Standing(accuracies=(0.95,), dropped_in=2, reason="diverged"),
        3: Standing(accuracies=(0.89, 0.91, 0.90)),
    }
    assert table.asked == [*((n, 0) for n in (4, 1, 9, 3)), *((n, 1) for n in (4, 1, 9, 3)), (4, 2), (3, 2)]
    assert list(racing.find_survivors(standings)) == [4, 3]
    assert racing.find_overtaken(standings) == {1: (0.50, 0.52)}


def test_nobody_drops_out_after_one_round() -> None:
    standings = racing.run_race([1, 2], 1, Table({1: (0.9,), 2: (0.1,)}), STEP)
    assert standings == {1: Standing(accuracies=(0.9,)), 2: Standing(accuracies=(0.1,))}


@pytest.mark.parametrize(
    ("candidates", "seeds", "race"),
    [
        (None, None, None),
        (2, None, Race(candidates=2, seeds=3)),
        (4, 2, Race(candidates=4, seeds=2)),
    ],
)
def test_what_is_asked_for(candidates: int | None, seeds: int | None, race: Race | None) -> None:
    assert racing.parse_race(candidates, seeds) == race


@pytest.mark.parametrize(
    ("candidates", "seeds", "message"),
    [
        (1, None, "--confirm must be 2 or more, but got 1"),
        (3, 1, "--confirm-seeds must be 2 or more, but got 1"),
        (None, 3, "--confirm-seeds 3 needs candidates"),
    ],
)
def test_what_makes_no_sense_is_refused(candidates: int | None, seeds: int | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        racing.parse_race(candidates, seeds)
