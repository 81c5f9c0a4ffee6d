"""Which examples train, which validate: pure functions of the labels and a seed.

Examples are ordered by a hash of (seed, index) instead of a random generator's permutation: it gives the same
split on every machine and with every version of numpy, which does not promise its streams, and an example's
rank does not depend on how many others there are.
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
    """Sets of example numbers, each ascending: a training side, what of it is trained on, and a validation side.

    train: int64, the examples trained on, with their labels.
    validation: int64, the examples that a trial's value is measured on.
    pool: int64, the whole training side: `train`, and what was left out of it where labels are to be few.

    Raises ImpossibleSplit: an example of train is not in pool, or one of pool is in validation.
    """

    train: Indices
    validation: Indices
    pool: Indices

    def __post_init__(self) -> None:
        if not np.isin(self.train, self.pool).all():
            raise ImpossibleSplit("Every example of train must be in pool, too.")
        shared = np.intersect1d(self.pool, self.validation)
        if len(shared):
            raise ImpossibleSplit(f"An example either trains or validates, but {shared[0]} is to do both.")

    @property
    def fingerprint(self) -> str:
        """SHA-256, in hexadecimal, of the index arrays, of which pool counts where it is more than train."""
        digest = hashlib.sha256(f"split {len(self.train)} {len(self.validation)}\n".encode())
        arrays = [self.train, self.validation]
        for indices in arrays if len(self.pool) == len(self.train) else [*arrays, self.pool]:
            digest.update(np.ascontiguousarray(indices, dtype="<i8").tobytes())
        return digest.hexdigest()


def split_examples(labels: Indices, validation_fraction: float, seed: int, indices: Indices | None = None) -> Split:
    """Divides examples so that every class gives `validation_fraction` of its own to validation.

    labels: int64, the class of every example. indices: which examples to divide (default: all).
    Each class is within one example of its share and has at least one example in both parts.

    Raises ImpossibleSplit: the fraction is not between 0 and 1, or a class has fewer than two examples.
    """
    if not 0 < validation_fraction < 1:
        raise ImpossibleSplit(
            f"0 < validation_fraction < 1 must hold, but got validation_fraction={validation_fraction}."
        )
    members = _by_class(labels, np.arange(len(labels)) if indices is None else indices)
    counts = [len(chosen) for chosen in members.values()]
    for label, chosen in members.items():
        if len(chosen) < 2:
            raise ImpossibleSplit(
                f"Class {label} has {len(chosen)} example, and training and validation need at least one "
                f"each: "
                "give it more examples, or ask for a larger part of the training set."
            )
    shares = [count * validation_fraction for count in counts]
    quota = _top_up(
        [min(max(1, int(share)), count - 1) for share, count in zip(shares, counts, strict=True)],
        shares,
        [count - 1 for count in counts],
        round(sum(counts) * validation_fraction),
    )
    ordered = [_shuffled(chosen, seed) for chosen in members.values()]
    train = np.sort(np.concatenate([chosen[n:] for chosen, n in zip(ordered, quota, strict=True)]))
    validation = np.sort(np.concatenate([chosen[:n] for chosen, n in zip(ordered, quota, strict=True)]))
    return Split(train=train, validation=validation, pool=train)


def draw_subset(labels: Indices, indices: Indices, n: int, seed: int) -> Indices:
    """Exactly `n` of `indices`, ascending, each class in proportion and with at least one example.

    Raises ImpossibleSplit: n is smaller than the number of classes or larger than the number of examples.
    """
    members = _by_class(labels, indices)
    if not len(members) <= n <= len(indices):
        raise ImpossibleSplit(
            f"{len(members)} <= examples <= {len(indices)} must hold (one a class at least, and no more "
            f"than there are), "
            f"but got examples={n}."
        )
    counts = [len(chosen) for chosen in members.values()]
    shares = [n * count / len(indices) for count in counts]
    quota = _cut_down(_top_up([max(1, int(share)) for share in shares], shares, counts, n), shares, n)
    chosen = [_shuffled(chosen, seed)[:k] for chosen, k in zip(members.values(), quota, strict=True)]
    return np.sort(np.concatenate(chosen))


def _by_class(labels: Indices, indices: Indices) -> dict[int, Indices]:
    chosen = labels[indices]
    return {int(label): indices[chosen == label] for label in np.unique(chosen)}


def _shuffled(indices: Indices, seed: int) -> Indices:
    def key(index: int) -> bytes:
        return hashlib.blake2b(f"{seed}:{index}".encode(), digest_size=16).digest()

    return np.array(sorted(indices.tolist(), key=key), dtype=np.int64)


def _top_up(quota: list[int], shares: Sequence[float], limits: Sequence[int], total: int) -> list[int]:
    """Adds one to the classes that lack most, until `total` is reached or none may have more."""
    lacking = sorted(range(len(quota)), key=lambda k: (quota[k] - shares[k], k))
    for k in lacking[: max(0, total - sum(quota))]:
        quota[k] = min(quota[k] + 1, limits[k])
    return quota


def _cut_down(quota: list[int], shares: Sequence[float], total: int) -> list[int]:
    """Takes one from the class that is most above its share and keeps one, until `total` is reached."""
    while sum(quota) > total:
        k = max((k for k in range(len(quota)) if quota[k] > 1), key=lambda k: (quota[k] - shares[k], -k))
        quota[k] -= 1
    return quota
