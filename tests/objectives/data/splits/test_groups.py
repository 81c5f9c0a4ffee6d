"""Splits of groups: no group on both sides, every class on both, shares as near as whole groups allow."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from objectives.data.files.errors import ImpossibleSplit
from objectives.data.splits.groups import split_groups

Numbers = NDArray[np.int64]
NAMES = ("cat", "dog", "emu")


@st.composite
def grouped(draw: st.DrawFn) -> tuple[Numbers, Numbers]:
    """Labels and groups, in mixed order; each class has groups of its own, and shares some with the others."""
    sizes = st.integers(1, 12)
    own = [draw(st.lists(sizes, min_size=2, max_size=8)) for _ in NAMES]
    shared = draw(st.lists(st.tuples(sizes, sizes), max_size=4))
    pairs: list[tuple[int, int]] = []
    group = 0
    for label, counts in enumerate(own):
        for count in counts:
            pairs += [(label, group)] * count
            group += 1
    for first, second in shared:
        pairs += [(0, group)] * first + [(1, group)] * second
        group += 1
    mixed = np.random.default_rng(draw(st.integers(0, 99))).permutation(np.array(pairs, dtype=np.int64))
    return mixed[:, 0], mixed[:, 1]


@given(content=grouped(), fraction=st.floats(0.05, 0.95), seed=st.integers(0, 99))
def test_no_group_is_on_both_sides_and_every_class_is(
    content: tuple[Numbers, Numbers], fraction: float, seed: int
) -> None:
    labels, groups = content
    parts = split_groups(labels, groups, fraction, seed, classes=NAMES)
    assert np.array_equal(np.sort(np.concatenate([parts.train, parts.validation])), np.arange(len(labels)))
    assert not set(groups[parts.train]) & set(groups[parts.validation])
    assert set(labels[parts.train]) == set(labels[parts.validation]) == {0, 1, 2}
    again = split_groups(labels, groups, fraction, seed, classes=NAMES)
    assert again.fingerprint == parts.fingerprint


def test_groups_of_one_size_give_each_class_its_share_and_the_seed_chooses_them() -> None:
    groups = np.repeat(np.arange(60), 5)
    labels = groups // 20
    chosen = [split_groups(labels, groups, 0.2, seed, classes=NAMES).validation for seed in range(8)]
    for validation in chosen:
        assert np.bincount(labels[validation]).tolist() == [20, 20, 20]
    assert len({tuple(validation) for validation in chosen}) == 8


def test_only_the_chosen_examples_are_divided() -> None:
    groups = np.repeat(np.arange(12), 3)
    labels = groups // 4
    offered = np.flatnonzero(labels != 1)
    parts = split_groups(labels, groups, 0.25, 0, offered, classes=NAMES)
    assert np.array_equal(np.sort(np.concatenate([parts.train, parts.validation])), offered)


@pytest.mark.parametrize(
    ("pairs", "sentence"),
    [
        ([(0, 0), (0, 1), (1, 2), (1, 2)], "class 'dog' has one group, but training and validation need at least one"),
        # Each two of the three groups hold all of a class.
        ([(0, 0), (0, 1), (1, 1), (1, 2), (2, 2), (2, 0)], "the groups cannot be divided so that class '"),
    ],
)
def test_what_groups_do_not_allow_is_refused(pairs: list[tuple[int, int]], sentence: str) -> None:
    labels, groups = np.array(pairs).T
    with pytest.raises(ImpossibleSplit, match=sentence):
        split_groups(labels, groups, 0.3, 0, classes=NAMES)
