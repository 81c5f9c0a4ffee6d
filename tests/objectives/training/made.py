"""The digits, and short ways to train on them."""

import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import nn

from objectives.base.errors import StopTraining
from objectives.core.objective import Objective
from objectives.core.run import train
from objectives.data.batches.examples import TrainValidation, load
from objectives.data.cache import prepare
from objectives.data.splits.split import split_examples
from objectives.diagnosis.records import NetworkRecord
from objectives.schedules.rates import StatelessRates
from spaces import Choice, Configuration, Fixed, Space

OBJECTIVE = Objective(data="digits", model="mlp", space=Space(depth=Fixed(2), width=Fixed(64)))

CONFIG = Configuration(
    {
        "depth": 2,
        "width": 64,
        "optimizer": Choice("nesterov", {"learning_rate": 0.1, "momentum": 0.9}),
        "schedule": Choice("cosine"),
        "batch_size": 32,
    }
)


@cache
def digits() -> TrainValidation:
    """The training part of the digits, a fifth of it for validation; the mapped files outlive their folder."""
    with TemporaryDirectory() as folder:
        prepared = prepare("digits", Path(folder) / "data", Path(folder) / "cache")
        return load(prepared, split_examples(prepared.labels(), 0.2, 0), "cpu")


class Curve:
    """A report that keeps what it is told."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def __call__(self, epoch: int, metrics: Mapping[str, float]) -> None:
        assert epoch == len(self.rows)
        self.rows.append(dict(metrics))

    def of(self, name: str) -> list[float]:
        """One metric, epoch by epoch."""
        return [row[name] for row in self.rows]


@dataclass(frozen=True)
class TableRates(StatelessRates):
    """Learning rates from a table: one for each epoch."""

    rates: tuple[float, ...]

    def at(self, epoch: int, fraction: float) -> float:
        return self.rates[epoch]

    def momentum(self, epoch: int, fraction: float) -> float | None:
        return None

    def has_dip(self, epoch: int, start: float, end: float) -> bool:
        return False


class StoppingCallback:
    """A callback that stops training after the beats of the given numbers, counted over all runs.

    It keeps every state, and every confusion matrix with its epoch.
    """

    def __init__(self, *beats: int, every_epoch: bool = False) -> None:
        self.beats, self.every_epoch = beats, every_epoch
        self.count = 0
        self.states: list[tuple[int, bytes]] = []
        self.refusals: list[str] = []
        self.confusions: list[tuple[int, Sequence[Sequence[int]]]] = []

    def beat(self) -> None:
        self.count += 1
        if self.count in self.beats:
            raise StopTraining

    def load_state(self) -> bytes | None:
        return self.states[-1][1] if self.states else None

    def report_refused(self, reason: str) -> None:
        self.refusals.append(reason)

    def note_engine(self, description: str) -> None:
        """Do nothing."""

    def note_parameters(self, count: int) -> None:
        """Do nothing."""

    def wants_layers(self) -> bool:
        return False

    def note_layers(self, epoch: int, record: NetworkRecord) -> None:
        """Do nothing."""

    def note_confusion(self, epoch: int, counts: Sequence[Sequence[int]]) -> None:
        self.confusions.append((epoch, counts))

    def due(self) -> bool:
        return self.every_epoch

    def keep(self, epoch: int, state: bytes) -> None:
        self.states.append((epoch, state))


def run_to_the_end(run: Callable[[], nn.Module]) -> nn.Module:
    """Run again and again, as other processes would, until training is no longer stopped."""
    while True:
        try:
            return run()
        except StopTraining:
            torch.manual_seed(torch.initial_seed() + 1)  # another process begins with other random numbers


def trained(
    objective: Objective = OBJECTIVE,
    config: Configuration = CONFIG,
    *,
    epochs: int = 2,
    seed: int = 7,
    **options: Any,
) -> tuple[nn.Module, Curve]:
    """Train on the digits; the network and its curve."""
    curve = Curve()
    return train(objective, config, digits(), curve, epochs=epochs, seed=seed, **options), curve


def weights(model: nn.Module) -> list[torch.Tensor]:
    """A network's parameters, in order."""
    return [parameter.detach() for parameter in model.parameters()]


def count_graphs() -> int:
    """Return how many tensors are alive that hold a graph of gradients."""
    return sum(isinstance(held, torch.Tensor) and held.grad_fn is not None for held in gc.get_objects())


def equal(one: nn.Module, other: nn.Module) -> bool:
    """Whether two networks have the same weights, bit for bit."""
    same: Callable[[torch.Tensor, torch.Tensor], bool] = torch.equal
    return all(map(same, weights(one), weights(other)))
