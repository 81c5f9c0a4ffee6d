"""The middle of a space: one configuration that stands for it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from spaces import Configuration, Scalar, Space


def find_middle(space: Space, chosen: Mapping[str, Scalar] | None = None) -> Configuration:
    """Return the configuration with the middle of each range (of its logarithm, if that is what is searched).

    Of choices it has the first one.

    chosen: other choices, by the name of what chooses (the last part of its full name).
    """
    return space.sample(_Middle(chosen or {}))


class _Middle:
    """Suggests the middle of everything, as an Optuna trial suggests values."""

    def __init__(self, chosen: Mapping[str, Scalar]) -> None:
        self._chosen = chosen

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        middle = math.sqrt(low * high) if log else (low + high) / 2
        return min(high, low + step * round((middle - low) / step))

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        middle = math.exp((math.log(low) + math.log(high)) / 2) if log else low + (high - low) / 2
        on_grid = middle if step is None else low + step * round((middle - low) / step)
        return min(max(on_grid, low), high)

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        wanted = self._chosen.get(name.rpartition(".")[2])
        return wanted if wanted in choices else choices[0]
