"""What a network would reach if it answered only where it is certain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.evaluation.results.fields import known_fields

COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5)


@dataclass(frozen=True, kw_only=True)
class AbstentionPoint:
    """The accuracy over the images that a network is most certain about."""

    coverage: float
    """The share of all images that are answered, from 0 to 1."""
    accuracy: float
    """Of the answered ones, from 0 to 1."""

    def to_json(self) -> dict[str, object]:
        """Return the point as `final --json` prints it."""
        return asdict(self)


def measure_abstention(correct_N: NDArray[np.bool_], certainty_N: NDArray[np.floating]) -> tuple[AbstentionPoint, ...]:
    """Return the accuracy at each of COVERAGES, the least certain images left out (El-Yaniv & Wiener 2010).

    Of equally certain images the first ones are answered. A share of N images is rounded to whole images, at least one.
    """
    order = np.argsort(-certainty_N, kind="stable")
    reached = np.cumsum(correct_N[order])
    counts = [max(1, round(coverage * len(order))) for coverage in COVERAGES]
    return tuple(
        AbstentionPoint(coverage=coverage, accuracy=float(reached[count - 1] / count))
        for coverage, count in zip(COVERAGES, counts, strict=True)
    )


def read_abstention(document: Mapping[str, Any]) -> tuple[AbstentionPoint, ...]:
    """Return the points that were stored; none if there are none."""
    return tuple(AbstentionPoint(**known_fields(AbstentionPoint, each)) for each in document.get("abstention", ()))


def describe_abstention(points: Sequence[AbstentionPoint]) -> str:
    """Return the points as a list in words, such as `0.9512 of 100%, 0.9781 of 90%`."""
    return ", ".join(f"{point.accuracy:.4f} of {point.coverage:.0%}" for point in points)
