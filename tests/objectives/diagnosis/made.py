"""Trainings on the digits whose networks are measured, and networks that are built to fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from objectives.base.errors import Diverged
from objectives.core.objective import Objective
from objectives.core.run import train
from objectives.diagnosis.faults import Fault, diagnose
from objectives.diagnosis.records import EpochRecord, NetworkRecord, build_records
from objectives.training.callbacks import NullCallback
from objectives.training.engines.choice import StepMode
from spaces import Choice, Configuration, Fixed, Space
from tests.objectives.training.made import Curve, digits


class LayersCallback(NullCallback):
    """A callback that keeps the measurements, as they are stored."""

    def __init__(self) -> None:
        self.layers: dict[int, dict[str, Any]] = {}

    def wants_layers(self) -> bool:
        return True

    def note_layers(self, epoch: int, record: NetworkRecord) -> None:
        self.layers[epoch] = record.to_json()


def watch(
    objective: Objective, config: Configuration, *, epochs: int = 4, seed: int = 1, step_mode: StepMode = "auto"
) -> tuple[list[EpochRecord], list[Fault], Curve]:
    """Train on the digits; return what was measured, what is said about it, and the curve."""
    callback, curve, diverged = LayersCallback(), Curve(), False
    try:
        train(objective, config, digits(), curve, epochs=epochs, seed=seed, callback=callback, step_mode=step_mode)
    except Diverged:
        diverged = True
    records = build_records(dict(enumerate(curve.rows)), callback.layers)
    return records, diagnose(records, diverged=diverged), curve


def build_plain(
    depth: int, activation: Callable[[], nn.Module], *, deviation: float | None = None, bias: float = 0.0
) -> Objective:
    """An objective whose network is a stack of linear layers, with weights of a normal distribution if one is given."""

    def build(config: Configuration) -> nn.Module:
        layers: list[nn.Module] = [nn.Flatten()]
        for _ in range(depth):
            linear = nn.Linear(64, 64)
            nn.init.constant_(linear.bias, bias)
            if deviation is not None:
                nn.init.normal_(linear.weight, std=deviation)
            layers += [linear, activation()]
        return nn.Sequential(*layers, nn.Linear(64, 10))

    return Objective(data="digits", build_model=build, space=Space(depth=Fixed(1)))


def build_config(optimizer: str, rate: float, **more: Any) -> Configuration:
    """A configuration with an optimizer, its learning rate, and other fields."""
    return Configuration({"batch_size": 64, "optimizer": Choice(optimizer, {"learning_rate": rate}), **more})


def build_mlp(depth: int = 3, width: int = 64) -> Objective:
    """The shipped multilayer perceptron."""
    return Objective(data="digits", model="mlp", space=Space(depth=Fixed(depth), width=Fixed(width)))
