"""Learning curves of a grid of small perceptrons on scikit-learn's digits, every one really trained (tabulate.py).

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

from objectives.base.registry import choose
from objectives.core.objective import Objective
from objectives.optimizers.catalogue import OPTIMIZERS
from spaces import Categorical, Domain, Int, Scalar, Space, standard

EPOCHS = 20

# More than half of the images validate: accuracies in steps of a thousandth, and a task that is not too easy.
OBJECTIVE = Objective(
    data="digits",
    model="mlp",
    epochs=EPOCHS,
    validation_fraction=0.7,
    space=Space(
        depth=standard.depth(1, 5),
        width=standard.width(8, 216),
        dropout=standard.dropout(0.0, 0.4),
        batch_size=standard.batch_size(32, 128),
        optimizer=choose(OPTIMIZERS, "nesterov", "adamw"),
    ),
)

# What is trained: every combination. The momentum exists for one optimizer, the weight decay for the other.
LEVELS: Mapping[str, Sequence[float]] = {
    "depth": (1, 3, 5),
    "width": (8, 24, 72, 216),
    "dropout": (0.0, 0.3),
    "batch_size": (32, 128),
    "nesterov.learning_rate": (0.003, 0.01, 0.03, 0.1, 0.3),
    "nesterov.momentum": (0.5, 0.8, 0.95),
    "adamw.learning_rate": (0.0001, 0.0003, 0.001, 0.003, 0.01),
    "adamw.weight_decay": (0.0001, 0.01, 0.1),
}

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


def grid(levels: Mapping[str, int]) -> Space:
    """The space of level numbers, a fixed count for each parameter, with the choices of the objective's own space."""
    return _numbered(OBJECTIVE.space, levels, "")


def _numbered(space: Space, levels: Mapping[str, int], prefix: str) -> Space:
    def numbered(name: str, domain: Domain) -> Domain:
        if isinstance(domain, Categorical):
            return Categorical(
                {choice: _numbered(sub, levels, f"{prefix}{choice}.") for choice, sub in domain.spaces.items()}
            )
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
        for choice, space in domain.spaces.items():
            yield from ({prefix + name: choice, **rest} for rest in points(space, f"{prefix}{choice}."))
    else:
        yield {}  # a fixed value is no parameter


def parameters(levels: Mapping[str, Sequence[float]], point: Point) -> dict[str, Scalar]:
    """What a point stands for in the objective's own space."""
    return {name: levels[name][part] if isinstance(part, int) else part for name, part in point.items()}


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
    space = grid({name: len(values) for name, values in about["levels"].items()})
    task = Task(name=path.stem, space=space, epochs=accuracies.shape[1], curves=curves)
    training, validation = about["examples"]
    return task, (
        f"{len(curves):,} networks of {task.epochs} epochs on digits {', '.join(about['classes'])}, "
        f"{training} + {validation} images, {about['versions']}"
    )
