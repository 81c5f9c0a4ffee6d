"""Splits into training and validation examples, as pure functions of the labels and a seed.

Examples are ordered by a hash of (seed, index), not by a random generator's permutation. This gives the same split on
every machine and with every version of numpy, whose random streams may change, and an example's rank does not depend
on how many others there are.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from objectives.data.files.errors import ImpossibleSplit

Indices = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """The indices of the examples of each part, ascending.

    train: int64, the examples that are trained on with their labels.
    validation: int64, the examples that a trial's value is measured on.
    pool: int64, the whole training side: `train`, and the examples left out of it if a study uses few labels.

    Raises:
        ImpossibleSplit: an example of train is not in pool, or one of pool is in validation.
    """

    train: Indices
    validation: Indices
    pool: Indices

    def __post_init__(self) -> None:
        if not np.isin(self.train, self.pool).all():
            raise ImpossibleSplit("every example of train must be in pool, too")
        shared = np.intersect1d(self.pool, self.validation)
        if len(shared):
            raise ImpossibleSplit(f"no example may be in both pool and validation, but example {shared[0]} is")

    @property
    def fingerprint(self) -> str:
        """SHA-256, in hexadecimal, of the index arrays; of pool only if it has more examples than train."""
        digest = hashlib.sha256(f"split {len(self.train)} {len(self.validation)}\n".encode())
        arrays = [self.train, self.validation]
        for indices in arrays if len(self.pool) == len(self.train) else [*arrays, self.pool]:
            digest.update(np.ascontiguousarray(indices, dtype="<i8").tobytes())
        return digest.hexdigest()


def split_examples(labels: Indices, validation_fraction: float, seed: int, indices: Indices | None = None) -> Split:
    """Split examples so that `validation_fraction` of every class is in validation.

    Each class is within one example of its share, and has at least one example in both parts.

    Args:
        labels: int64, the class of every example.
        indices: the examples to split; None for all.

    Raises:
        ImpossibleSplit: the fraction is not between 0 and 1, or a class has fewer than two examples.
    """
    check_fraction(validation_fraction)
    members = _group_by_class(labels, np.arange(len(labels)) if indices is None else indices)
    counts = [len(chosen) for chosen in members.values()]
    for label, chosen in members.items():
        if len(chosen) < 2:
            raise ImpossibleSplit(
                f"class {label} has {len(chosen)} example, but training and validation need at least one each; "
                "add examples, or use a larger part of the training set"
            )
    shares = [count * validation_fraction for count in counts]
    quota = _top_up(
        [min(max(1, int(share)), count - 1) for share, count in zip(shares, counts, strict=True)],
        shares,
        [count - 1 for count in counts],
        round(sum(counts) * validation_fraction),
    )
    ordered = [_shuffle(chosen, seed) for chosen in members.values()]
    train = np.sort(np.concatenate([chosen[n:] for chosen, n in zip(ordered, quota, strict=True)]))
    validation = np.sort(np.concatenate([chosen[:n] for chosen, n in zip(ordered, quota, strict=True)]))
    return Split(train=train, validation=validation, pool=train)


def split_off_last(count: int, indices: Indices) -> Split:
    """Return the split in which the examples from number `count` on, of a folder of their own, are for validation.

    Raises:
        ImpossibleSplit: one of the two parts has no example.
    """
    train, validation = indices[indices < count], indices[indices >= count]
    if not len(train) or not len(validation):
        raise ImpossibleSplit("training and validation need at least one example each, but one of them has none")
    return Split(train=train, validation=validation, pool=train)


def check_fraction(validation_fraction: float) -> None:
    """Raise `ImpossibleSplit` unless the fraction is between 0 and 1."""
    if not 0 < validation_fraction < 1:
        raise ImpossibleSplit(
            f"0 < validation_fraction < 1 must hold, but got validation_fraction={validation_fraction}"
        )


def draw_subset(labels: Indices, indices: Indices, n: int, seed: int) -> Indices:
    """Return exactly `n` of `indices`, ascending, with every class in proportion and with at least one example.

    Raises:
        ImpossibleSplit: n is smaller than the number of classes or larger than the number of examples.
    """
    members = _group_by_class(labels, indices)
    if not len(members) <= n <= len(indices):
        raise ImpossibleSplit(
            f"{len(members)} <= examples <= {len(indices)} must hold (at least one per class, at most all), "
            f"but got examples={n}"
        )
    counts = [len(chosen) for chosen in members.values()]
    shares = [n * count / len(indices) for count in counts]
    quota = _cut_down(_top_up([max(1, int(share)) for share in shares], shares, counts, n), shares, n)
    chosen = [_shuffle(chosen, seed)[:k] for chosen, k in zip(members.values(), quota, strict=True)]
    return np.sort(np.concatenate(chosen))


def _group_by_class(labels: Indices, indices: Indices) -> dict[int, Indices]:
    chosen = labels[indices]
    return {int(label): indices[chosen == label] for label in np.unique(chosen)}


def _shuffle(indices: Indices, seed: int) -> Indices:
    def key(index: int) -> bytes:
        return hashlib.blake2b(f"{seed}:{index}".encode(), digest_size=16).digest()

    return np.array(sorted(indices.tolist(), key=key), dtype=np.int64)


def _top_up(quota: list[int], shares: Sequence[float], limits: Sequence[int], total: int) -> list[int]:
    """Add one to the classes that lack most, until `total` is reached or all are at their limits."""
    lacking = sorted(range(len(quota)), key=lambda k: (quota[k] - shares[k], k))
    for k in lacking[: max(0, total - sum(quota))]:
        quota[k] = min(quota[k] + 1, limits[k])
    return quota


def _cut_down(quota: list[int], shares: Sequence[float], total: int) -> list[int]:
    """Take one from the class that is most above its share and has more than one, until `total` is reached."""
    while sum(quota) > total:
        k = max((k for k in range(len(quota)) if quota[k] > 1), key=lambda k: (quota[k] - shares[k], -k))
        quota[k] -= 1
    return quota
