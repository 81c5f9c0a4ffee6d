"""Made-up networks: how good each configuration ends, how fast it learns, and what it costs.

A surface is drawn from a seed: a smooth hill over the parameters that matter, a lower second hill, a speed that has
nothing to do with either. What a configuration reports is the same whenever it is trained, as in a table of curves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from objectives.base.seeds import derive_seed
from search.strategies.gp.encoding import Encoding
from spaces import Space
from tests.benchmarks.curves import Curve, key

Array = NDArray[np.float64]

CHANCE, TOP = 0.1, 0.95
# The second hill's height, as a share of the first's, and how much narrower it is.
SECOND, NARROWER = 0.8, 2.0
STEEPNESS = 3.0
SAMPLE = 2000


class Shape(Protocol):
    """A learning curve's shape."""

    def __call__(self, times_E: Array, quality: float, speed: float) -> Array:
        """Return the share of its way from chance to its end that a network has gone at each time, 0 to 1.

        times_E: shares of a full training, over 0 to 1. quality: 0 to 1. speed: 0 to 1.
        """


def saturate(times_E: Array, quality: float, speed: float) -> Array:
    """Learn fast at first and slower later, at a rate that has nothing to do with the end."""
    rate = 2 * 6.0**speed
    return np.asarray((1 - np.exp(-rate * times_E)) / (1 - np.exp(-rate)), dtype=np.float64)


def overtake(latest: float) -> Shape:
    """The better a network ends the later it starts to learn, the best ones at `latest` of a training."""

    def rise(times_E: Array, quality: float, speed: float) -> Array:
        middle = 0.05 + (latest - 0.05) * quality**0.5
        level = 1 / (1 + np.exp(-(times_E - middle) / 0.06))
        return np.asarray(level / level[-1], dtype=np.float64)

    return rise


def slow_winner(times_E: Array, quality: float, speed: float) -> Array:
    """Only the best networks are slow: every rival leads until two fifths of the training."""
    if quality < SECOND:
        return saturate(times_E, quality, 1.0)
    return overtake(0.4)(times_E, quality, speed)


@dataclass(frozen=True, kw_only=True)
class Traits:
    """What is special about a task's curves."""

    shape: Shape = saturate
    corner: bool = False
    """Whether the best place is a corner of the space, not inside."""
    matter: int | None = None
    """How many parameters matter; None for all."""
    tied: tuple[int, int] = (0, 0)
    """Fewest and most epochs at chance before a network learns anything."""
    noise: float = 0.002
    """Standard deviation of a report, as an accuracy."""
    diverging: bool = False
    """Whether the upper half of the first parameter diverges at once."""
    scale: float | None = None
    """Reports are losses of this scale, to be minimized; None for accuracies."""


class Surface:
    """A task with a known best; it has what `Simulation` needs of a task."""

    def __init__(self, name: str, space: Space, epochs: int, seed: int, traits: Traits) -> None:
        self.name, self.space, self.epochs, self.traits = name, space, epochs, traits
        self._seed = seed
        self._encoding = Encoding(space)
        random = np.random.default_rng(derive_seed(seed, "surface"))
        count = len(self._encoding)
        self._peak_P = random.uniform(0.2, 0.8, count)
        if traits.corner:
            self._peak_P = np.round(self._peak_P)
        if traits.diverging:
            self._peak_P[0] /= 2
        self._second_P = random.uniform(0, 1, count)
        weights = random.gamma(2.0, 1.0, count)
        if traits.matter is not None:
            weights[random.permutation(count)[traits.matter :]] = 0
        self._weights_P = weights / weights.sum()
        self._turn_PP = np.linalg.qr(np.eye(count) + 0.3 * random.normal(size=(count, count)))[0]
        self._speed_P = random.normal(size=count)
        self._levels = [random.permutation(max(1, parameter.choices)) for parameter in self._encoding.parameters]
        sample = self._encoding.draw(random.random((SAMPLE, count)))
        ends = np.sort([self._end(units) for units in sample])
        self.median = float(np.median(ends))
        self.best = max(float(ends[-1]), self._end(self._nearest_peak()))

    def curve(self, point: Mapping[str, Any]) -> Curve:
        """Return what training a configuration gives."""
        units = self._encoding.units(point)
        random = np.random.default_rng(derive_seed(self._seed, key(point)))
        seconds = 0.5 * 4.0 ** float(np.nan_to_num(units, nan=0.5)[-1])
        if self._diverges(units):
            return Curve(accuracies=[], seconds=seconds)
        clean = self._clean(units, random)
        noisy = clean + random.normal(0, self.traits.noise, len(clean))
        if self.traits.scale is not None:
            noisy = self.traits.scale * (1 - noisy)
        return Curve(accuracies=noisy.tolist(), seconds=seconds, clean=clean.tolist())

    def _clean(self, units_P: Array, random: np.random.Generator) -> Array:
        quality = self._quality(units_P)
        slope = float(self._speed_P @ (np.nan_to_num(units_P, nan=0.5) - 0.5))
        speed = 1 / (1 + np.exp(-2 * slope))
        fewest, most = self.traits.tied
        tied = int(random.integers(fewest, most + 1))
        times = np.maximum(np.arange(1, self.epochs + 1) - tied, 0) / max(1, self.epochs - tied)
        share = np.where(times > 0, self.traits.shape(times, quality, speed), 0.0)
        return CHANCE + (_height(quality) - CHANCE) * share

    def _end(self, units_P: Array) -> float:
        return CHANCE if self._diverges(units_P) else _height(self._quality(units_P))

    def _diverges(self, units_P: Array) -> bool:
        return self.traits.diverging and bool(units_P[0] > 0.5)

    def _quality(self, units_P: Array) -> float:
        place = np.where(self._encoding.exists(units_P[None])[0], units_P, 0.5)
        for index, parameter in enumerate(self._encoding.parameters):
            if parameter.choices:  # their order means nothing
                choice = int(parameter.index(place[index : index + 1])[0])
                place[index] = (self._levels[index][choice] + 0.5) / parameter.choices
        return max(self._hill(place - self._peak_P, 1.0), SECOND * self._hill(place - self._second_P, NARROWER))

    def _hill(self, offset_P: Array, narrower: float) -> float:
        scaled = np.sqrt(self._weights_P) * offset_P
        turned = self._turn_PP @ scaled if self.traits.matter is None else scaled
        stretch = np.linspace(0.7, 1.3, len(turned))
        return float(np.exp(-STEEPNESS * narrower * 4 * (stretch * turned**2).sum()))

    def _nearest_peak(self) -> Array:
        units = self._peak_P.copy()
        for index, parameter in enumerate(self._encoding.parameters):
            if parameter.choices:
                level = min(int(units[index] * parameter.choices), parameter.choices - 1)
                units[index] = (list(self._levels[index]).index(level) + 0.5) / parameter.choices
        if self.traits.diverging:
            units[0] = min(units[0], 0.5)
        return np.asarray(self._encoding.snap(units[None])[0], dtype=np.float64)


def _height(quality: float) -> float:
    return float(CHANCE + (TOP - CHANCE) * quality**0.4)
