"""Which differences exceed the noise, against tables computed by hand and scipy's paired t test."""

from __future__ import annotations

import math
import time

import pytest
from scipy import stats

from search.strategies.repeated.comparison import (
    MOST_COMPARED,
    Noise,
    find_differences,
    find_p,
    measure_noise,
)
from tests.search.strategies.repeated.made import PRUNED, compare, member, study_of

# Rows are configurations, columns repeats. Beside their effects: 0.01 ((1, -1, 0), (-1, 1, 0), (0, 0, 0)).
TABLE = {0: [0.81, 0.89, 1.0], 3: [0.84, 0.96, 1.05], 6: [0.9, 1.0, 1.1]}


def test_two_configurations_are_compared_by_the_paired_t_test() -> None:
    low, high = [0.88, 0.91, 0.90], [0.90, 0.92, 0.94]
    noise = measure_noise([low, high])
    assert noise is not None
    assert noise.degrees == 2
    # The differences are 0.02, 0.01, 0.04: their deviation is sqrt(2) of a value's.
    assert noise.deviation == pytest.approx(0.0152753 / math.sqrt(2), abs=1e-7)
    assert (
        find_p(low, high, noise)
        == pytest.approx(float(stats.ttest_rel(high, low).pvalue))
        == pytest.approx(0.118, 1e-3)
    )


def test_the_noise_is_what_configurations_and_repeats_do_not_explain() -> None:
    # The sum of the squared residuals is 4 * 0.01^2, of (3 - 1) (3 - 1) degrees of freedom.
    assert measure_noise(list(TABLE.values())) == Noise(deviation=pytest.approx(0.01), degrees=4)


def test_a_pair_is_tested_with_the_larger_of_its_own_noise_and_that_of_all() -> None:
    noise = measure_noise(list(TABLE.values()))
    assert noise is not None
    # Configurations 3 and 6: the differences 0.06, 0.04, 0.05 deviate by 0.01, a value by 0.01 / sqrt(2): below 0.01.
    assert find_p(TABLE[3], TABLE[6], noise) == pytest.approx(2 * stats.t.sf(0.05 / (0.01 * math.sqrt(2 / 3)), 4))
    # Configurations 0 and 3: 0.03, 0.07, 0.05 deviate by 0.02, a value by 0.02 / sqrt(2): above it.
    own = 0.02 / math.sqrt(2)
    assert find_p(TABLE[0], TABLE[3], noise) == pytest.approx(2 * stats.t.sf(0.05 / (own * math.sqrt(2 / 3)), 4))


def test_holm_tests_the_smallest_p_against_the_level_by_all_pairs_the_next_by_one_less() -> None:
    noise = Noise(deviation=0.01, degrees=4)
    # By hand: t = 12.25, 6.12 and 4.33, p = 0.00026, 0.0036 and 0.0123, against 0.0167, 0.025 and 0.05.
    assert find_differences(TABLE, noise) == {(0, 3), (0, 6), (3, 6)}
    # With 0.0307 between the first two, t is 2.66, below 2.776, which is 5% in the table for 4 degrees.
    closer = {**TABLE, 0: [value + 0.0193 for value in TABLE[0]]}
    assert find_p(closer[0], closer[3], noise) == pytest.approx(0.0565, abs=1e-4)
    assert find_differences(closer, noise) == {(0, 6), (3, 6)}


def test_a_study_is_compared_in_what_is_complete_best_first() -> None:
    rows = [member(number, repeat, [value]) for number, row in TABLE.items() for repeat, value in enumerate(row)]
    compared = compare(study_of(*rows, member(9, 0, [0.99], PRUNED)).trials)
    assert [(one.configuration, one.state, one.n) for one in compared.configurations] == [
        (6, "complete", 3),
        (3, "complete", 3),
        (0, "complete", 3),
        (9, "pruned", 0),
    ]
    assert [one.worse_than for one in compared.configurations] == [(), (6,), (3, 6), ()]
    assert [one.mean for one in compared.configurations] == [*map(pytest.approx, (1.0, 0.95, 0.9)), None]
    assert compared.configurations[0].standard_deviation == pytest.approx(0.1)
    assert (compared.repeats, compared.compared, compared.degrees) == (3, 3, 4)
    # t for 0.05 / 3, two-sided, 4 degrees of freedom, is 3.961 (table); times 0.01 sqrt(2 / 3).
    assert compared.least_difference == pytest.approx(3.961 * 0.01 * math.sqrt(2 / 3), rel=1e-3)


def test_nothing_is_compared_without_two_configurations_and_two_repeats() -> None:
    one = compare(study_of(*(member(0, repeat, [0.5]) for repeat in range(3))).trials)
    single = compare(study_of(*(member(n, 0, [0.5 + n / 10], repeats=1) for n in range(2))).trials)
    for found in (one, single, compare([])):
        assert (found.noise, found.degrees, found.least_difference) == (None, None, None)
    assert [each.configuration for each in single.configurations] == [1, 0]


def test_repeats_without_any_noise_differ_if_their_means_do() -> None:
    noise = Noise(deviation=0.0, degrees=2)
    assert find_p([0.5, 0.6, 0.7], [0.5, 0.6, 0.7], noise) == 1.0
    assert find_p([0.5, 0.6, 0.7], [0.6, 0.7, 0.8], noise) < 1e-9


def test_of_many_configurations_the_best_are_paired_quickly_and_all_pairs_count() -> None:
    table = {number: [0.9 - number / 1000, 0.9001 - number / 1000] for number in range(1000)}
    started = time.process_time()
    found = find_differences(table, Noise(deviation=0.001, degrees=999))
    assert time.process_time() - started < 1
    assert {high for _, high in found} | {low for low, _ in found} == set(range(MOST_COMPARED))
    # t of 499,500 pairs is 5.35: their means are 0.001 n apart, with a standard error of 0.001.
    assert all(low - high >= 6 for low, high in found)
    assert (6, 0) in found
    assert (5, 0) not in found
