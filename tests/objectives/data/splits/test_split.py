"""Splits and subsets, by their properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from objectives.data.files.errors import DataError, ImpossibleSplit
from objectives.data.splits.split import Split, draw_subset, split_examples

Labels = NDArray[np.int64]


@st.composite
def labelled(draw: st.DrawFn, least: int) -> Labels:
    """Labels of up to six classes, some of them skipped, in mixed order."""
    counts = draw(st.lists(st.integers(least, 40), min_size=1, max_size=6))
    labels = np.repeat(np.array(draw(st.permutations(range(9))))[: len(counts)], counts)
    return np.random.default_rng(draw(st.integers(0, 99))).permutation(labels)


def counts(labels: Labels) -> dict[int, int]:
    return {int(k): int(n) for k, n in zip(*np.unique(labels, return_counts=True), strict=True)}


@given(labels=labelled(2), fraction=st.floats(0.01, 0.99), seed=st.integers(0, 2**63))
def test_a_split_divides_every_class_by_its_share(labels: Labels, fraction: float, seed: int) -> None:
    parts = split_examples(labels, fraction, seed)
    assert np.array_equal(np.sort(np.concatenate([parts.train, parts.validation])), np.arange(len(labels)))
    assert (np.diff(parts.train) > 0).all()
    assert (np.diff(parts.validation) > 0).all()
    taken = counts(labels[parts.validation])
    for label, count in counts(labels).items():
        assert 1 <= taken[label] <= count - 1
        assert abs(taken[label] - count * fraction) <= 1


@given(labels=labelled(20), fraction=st.floats(0.1, 0.9))
def test_a_split_of_large_classes_has_the_total_asked_for(labels: Labels, fraction: float) -> None:
    assert len(split_examples(labels, fraction, 0).validation) == round(len(labels) * fraction)


@given(labels=labelled(3), data=st.data(), seed=st.integers(0, 99))
def test_a_subset_has_exactly_n_of_every_class_in_proportion(labels: Labels, data: st.DataObject, seed: int) -> None:
    offered = np.flatnonzero(labels != labels.max()) if len(counts(labels)) > 1 else np.arange(len(labels))
    classes = counts(labels[offered])
    n = data.draw(st.integers(len(classes), len(offered)))
    chosen = draw_subset(labels, offered, n, seed)
    assert len(chosen) == len(set(chosen.tolist())) == n
    assert set(chosen.tolist()) <= set(offered.tolist())
    assert (np.diff(chosen) > 0).all()
    taken = counts(labels[chosen])
    assert taken.keys() == classes.keys()
    if all(n * count >= len(offered) for count in classes.values()):
        for label, count in classes.items():
            assert abs(taken[label] - n * count / len(offered)) < 1


@pytest.mark.parametrize(
    ("sizes", "n", "expected"),
    [
        ((8, 5, 7), 10, [4, 3, 3]),
        ((40, 3, 3), 3, [1, 1, 1]),
        ((40, 3, 3), 4, [2, 1, 1]),
        ((90, 5, 5), 10, [8, 1, 1]),
        ((4, 4), 8, [4, 4]),
    ],
)
def test_a_subset_by_hand(sizes: tuple[int, ...], n: int, expected: list[int]) -> None:
    """Whole shares first, then the largest remainders; what the smallest classes lack the largest gives."""
    labels = np.repeat(np.arange(len(sizes)), sizes)
    chosen = draw_subset(labels, np.arange(len(labels)), n, 0)
    assert np.bincount(labels[chosen]).tolist() == expected


def test_the_split_is_the_same_everywhere() -> None:
    """Computed once: another value means that every stored study would be refused its own data."""
    labels = np.arange(60) % 4
    parts = split_examples(labels, 0.2, 7)
    assert parts.validation.tolist() == PINNED_VALIDATION
    assert parts.fingerprint == PINNED_FINGERPRINT
    assert draw_subset(labels, parts.train, 8, 7).tolist() == PINNED_SUBSET


PINNED_VALIDATION = [0, 6, 9, 11, 15, 16, 20, 30, 39, 45, 46, 53]
PINNED_FINGERPRINT = "5ddd2358df65e38c420fb36b3b258cdd418284b20622deab709439b83bf52b85"
PINNED_SUBSET = [2, 12, 18, 23, 33, 41, 48, 55]


def test_the_fingerprint_tells_the_two_parts_apart() -> None:
    a, b, c = np.arange(3), np.arange(3, 6), np.arange(4, 6)
    parts = [(a, b), (b, a), (a, c), (np.arange(4), c)]
    assert len({Split(train=one, validation=two, pool=one).fingerprint for one, two in parts}) == 4


def test_the_fingerprint_has_the_pool_where_it_is_more_than_what_is_trained_on() -> None:
    a, b = np.arange(3), np.arange(3, 6)
    pools = [a, np.append(a, 6), np.append(a, 7), np.append(a, [6, 7])]
    assert len({Split(train=a, validation=b, pool=pool).fingerprint for pool in pools}) == 4


def test_the_pool_is_the_training_side() -> None:
    parts = split_examples(np.arange(40) % 2, 0.25, 0)
    assert parts.pool.tolist() == parts.train.tolist()


def test_nothing_validates_and_trains() -> None:
    a, b = np.arange(3), np.arange(3, 6)
    with pytest.raises(ImpossibleSplit, match="no example may be in both pool and validation, but example 3 is"):
        Split(train=a, validation=b, pool=np.arange(4))
    with pytest.raises(ImpossibleSplit, match="every example of train must be in pool"):
        Split(train=a, validation=b, pool=a[1:])


def test_ten_labels_each_of_two_classes() -> None:
    labels = np.repeat([4, 7, 9], [5413, 5387, 900])
    parts = split_examples(labels, 0.1, 3, np.flatnonzero(labels != 9))
    chosen = draw_subset(labels, parts.train, 20, 3)
    assert np.bincount(labels[chosen])[[4, 7]].tolist() == [10, 10]
    assert len(chosen) == 20


def test_another_seed_is_another_split() -> None:
    labels = np.arange(100) % 2
    assert split_examples(labels, 0.5, 0).fingerprint != split_examples(labels, 0.5, 1).fingerprint


def test_only_the_indices_given_are_divided() -> None:
    labels = np.arange(40) % 2
    parts = split_examples(labels, 0.25, 0, np.arange(10, 30))
    assert np.array_equal(np.sort(np.concatenate([parts.train, parts.validation])), np.arange(10, 30))
    assert len(parts.validation) == 5


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, float("nan")])
def test_a_fraction_outside_0_and_1_is_refused(fraction: float) -> None:
    with pytest.raises(ImpossibleSplit, match="0 < validation_fraction < 1 must hold, but got validation_fra"):
        split_examples(np.array([0, 0, 1, 1]), fraction, 0)


def test_a_class_with_one_example_cannot_be_split() -> None:
    with pytest.raises(ImpossibleSplit, match="class 1 has 1 example"):
        split_examples(np.array([0, 0, 1]), 0.5, 0)


@pytest.mark.parametrize("n", [0, 2, 7, -1])
def test_a_subset_of_an_impossible_size_is_refused(n: int) -> None:
    with pytest.raises(ImpossibleSplit, match=f"3 <= examples <= 6 must hold.* but got examples={n}"):
        draw_subset(np.array([0, 0, 1, 1, 2, 2]), np.arange(6), n, 0)
    assert issubclass(ImpossibleSplit, DataError)
    assert issubclass(ImpossibleSplit, ValueError)
