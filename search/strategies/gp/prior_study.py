"""What is learned from an earlier study, without the models that learn it, whose imports take long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MOST_STUDIES = 12
FEWEST_TRIALS = 10


@dataclass(frozen=True, kw_only=True)
class PriorStudy:
    """A study to learn from, on any data set.

    trials: the parameters of each trial and its learning curve, one accuracy per epoch.
    """

    name: str
    trials: Sequence[tuple[Mapping[str, Any], Sequence[float]]]
