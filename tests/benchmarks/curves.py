"""Learning curves of a grid of small networks on scikit-learn's digits, every one really trained (tabulate.py).

A search that replays them costs nothing, so that policies can be compared over many seeds (see policy.py). Values
are accuracies on validation examples: a part of the training side, as in a study. The held-out part is not opened.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spaces import Categorical, Domain, Int, Scalar, Space
from tests.benchmarks.families import FAMILIES

Point = Mapping[str, Scalar]
"""Parameters of the grid's space: the number of a level, or the name of a choice."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One training: accuracies an epoch, 0 to 1, fewer than the epochs where it diverged; CPU seconds an epoch."""

    accuracies: Sequence[float]
    """What it reports; losses where the task minimizes."""
    seconds: float
    clean: Sequence[float] | None = None
    """The accuracies without the noise of a report, if they are known: what the found network is worth."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A space whose every point has been trained."""

    name: str
    space: Space
    epochs: int
    curves: Mapping[str, Curve]
    """By `key`."""

    def curve(self, point: Point) -> Curve:
        """What training this point gave."""
        return self.curves[key(point)]

    @property
    def best(self) -> float:
        """The highest value of any point."""
        return float(self.finals[-1])

    @property
    def median(self) -> float:
        """The median point's value."""
        return float(np.median(self.finals))

    @property
    def finals(self) -> NDArray[np.float64]:
        """The value of every point, ascending: its best epoch's accuracy; 0 where it diverged at once."""
        return np.sort([max(curve.accuracies, default=0.0) for curve in self.curves.values()])


def key(point: Point) -> str:
    """The same text for equal points."""
    return json.dumps(dict(point), sort_keys=True)


def grid(space: Space, levels: Mapping[str, int], prefix: str = "") -> Space:
    """A family's space with level numbers, a fixed count for each parameter that is a number, and the same choices."""

    def numbered(name: str, domain: Domain) -> Domain:
        if isinstance(domain, Categorical):
            spaces = {choice: grid(sub, levels, f"{prefix}{choice}.") for choice, sub in domain.spaces.items()}
            return Categorical(spaces) if spaces else domain
        return Int(0, levels[prefix + name] - 1) if prefix + name in levels else domain

    return Space({name: numbered(name, domain) for name, domain in space.domains.items()})


def points(space: Space, prefix: str = "") -> Iterator[Point]:
    """Every point of a space of level numbers and choices."""
    axes = [list(_axis(prefix, name, domain)) for name, domain in space.domains.items()]
    for parts in itertools.product(*axes):
        yield {name: value for part in parts for name, value in part.items()}


def _axis(prefix: str, name: str, domain: Domain) -> Iterator[Point]:
    if isinstance(domain, Int):
        yield from ({prefix + name: number} for number in range(domain.low, domain.high + 1))
    elif isinstance(domain, Categorical):
        for choice in domain.choices:
            below = domain.spaces.get(str(choice), Space())
            yield from ({prefix + name: choice, **rest} for rest in points(below, f"{prefix}{choice}."))
    else:
        yield {}  # a fixed value is no parameter


def parameters(levels: Mapping[str, Sequence[float]], point: Point) -> dict[str, Scalar]:
    """What a point stands for in the objective's own space."""
    return {name: levels[name][int(part)] if name in levels else part for name, part in point.items()}


def read(path: Path) -> tuple[Task, str]:
    """The table of a file, and in words what it was made of."""
    with np.load(path) as file:
        about = json.loads(str(file["about"]))
        texts = [str(text) for text in file["points"]]
        accuracies, seconds = file["accuracies"].astype(float), file["seconds"]
    curves = {
        text: Curve(accuracies=row[np.isfinite(row)].tolist(), seconds=float(took))
        for text, row, took in zip(texts, accuracies, seconds, strict=True)
    }
    counts = {name: len(values) for name, values in about["levels"].items()}
    space = grid(FAMILIES[about["family"]].objective.space, counts)
    task = Task(name=path.stem, space=space, epochs=accuracies.shape[1], curves=curves)
    training, validation = about["examples"]
    return task, (
        f"{len(curves):,} {about['family']} networks of {task.epochs} epochs on digits {', '.join(about['classes'])}, "
        f"{training} + {validation} images, {about['versions']}"
    )
