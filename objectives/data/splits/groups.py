"""Splits of images in groups, such as those of one patient or one scene, which must not be on both sides."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from objectives.data.files.errors import ImpossibleSplit
from objectives.data.splits.split import Indices, Split, check_fraction

# Images of each class, K.
Counts = NDArray[np.int64]


def split_groups(
    labels: Indices,
    groups: Indices,
    validation_fraction: float,
    seed: int,
    indices: Indices | None = None,
    *,
    classes: Sequence[str],
) -> Split:
    """Split examples so that every group is on one side, and about `validation_fraction` of every class in validation.

    Groups are looked at in an order that the seed gives. First every class gets a group in validation; then each
    further group goes there that brings the classes' shares closer to the fraction. So a class is off its share by
    half a group where groups have one class and one size, and each class has a group on both sides.

    Args:
        labels, groups: int64, the class and the group of every example.
        indices: the examples to split; None for all.
        classes: the names of the classes, for messages.

    Raises:
        ImpossibleSplit: the fraction is not between 0 and 1, or a class cannot have a group on both sides.
    """
    check_fraction(validation_fraction)
    chosen = np.arange(len(labels)) if indices is None else indices
    names, numbers = np.unique(groups[chosen], return_inverse=True)
    counts = np.zeros((len(names), len(classes)), dtype=np.int64)
    np.add.at(counts, (numbers, labels[chosen]), 1)
    _check_groups(counts, classes)
    order = sorted(range(len(names)), key=lambda group: _hash(seed, int(names[group])))
    taken = _Choice(counts, validation_fraction)
    # The classes with the fewest groups first: they have the least choice.
    for label in sorted(np.flatnonzero(counts.any(axis=0)), key=lambda label: int((counts[:, label] > 0).sum())):
        if not taken.sum[label]:
            taken.cover(int(label), order, classes)
    for group in order:
        if taken.may_take(group) and taken.improves(group):
            taken.take(group)
    validates = np.isin(numbers, taken.groups)
    train = chosen[~validates]
    return Split(train=train, validation=chosen[validates], pool=train)


class _Choice:
    """The groups that are in validation so far."""

    def __init__(self, counts_GK: Counts, fraction: float) -> None:
        self.groups: list[int] = []
        self.sum = np.zeros_like(counts_GK[0])
        self._counts, self._total = counts_GK, counts_GK.sum(axis=0)
        self._wanted = self._total * fraction

    def may_take(self, group: int) -> bool:
        """Return whether every class of a group that is not in validation keeps an example for training."""
        own = self._counts[group]
        return group not in self.groups and bool((self.sum + own < self._total)[own > 0].all())

    def improves(self, group: int) -> bool:
        return self._measure_with(group) < self._measure(self.sum)

    def take(self, group: int) -> None:
        self.groups.append(group)
        self.sum = self.sum + self._counts[group]

    def cover(self, label: int, order: Sequence[int], classes: Sequence[str]) -> None:
        """Take a group with this class: the first that improves the shares, else the one that harms them least."""
        able = [group for group in order if self._counts[group, label] and self.may_take(group)]
        if not able:
            raise ImpossibleSplit(
                f"the groups cannot be divided so that class {classes[label]!r} is in training and in validation: each "
                "of its groups has the rest of another class, too; add groups, use another --seed, or make a folder "
                "val/ of your own"
            )
        better = (group for group in able if self.improves(group))
        self.take(next(better, min(able, key=self._measure_with)))

    def _measure_with(self, group: int) -> float:
        return self._measure(self.sum + self._counts[group])

    def _measure(self, sums: Counts) -> float:
        """Return how far the classes are from their shares, each as a part of all its examples."""
        there = self._total > 0
        return float((np.abs(sums - self._wanted)[there] / self._total[there]).sum())


def _check_groups(counts_GK: Counts, classes: Sequence[str]) -> None:
    for label, count in enumerate((counts_GK > 0).sum(axis=0)):
        if count == 1:
            raise ImpossibleSplit(
                f"class {classes[label]!r} has one group, but training and validation need at least one each; add "
                "a group, leave the class out, or leave --group-by out"
            )


def _hash(seed: int, group: int) -> bytes:
    return hashlib.blake2b(f"{seed}:group {group}".encode(), digest_size=16).digest()
