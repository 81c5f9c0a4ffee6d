"""Small pictures on a device, and the two ways to train on them."""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pytest
import torch
from torch import nn

from objectives.base.errors import StopTraining
from objectives.core.objective import Objective
from objectives.core.run import train
from objectives.data.batches.examples import Examples, TrainValidation
from objectives.training.engines.choice import StepMode
from spaces import Choice, Configuration, Fixed, Space
from tests.objectives.training.made import Curve, StoppingCallback, run_to_the_end

EXAMPLES, VALIDATION, SIDE, CLASSES = 300, 70, 12, 4
OBJECTIVE = Objective(data="digits", model="mlp", space=Space(depth=Fixed(2), width=Fixed(32)))
CONFIG = Configuration(
    {
        "depth": 2,
        "width": 32,
        "optimizer": Choice("nesterov", {"learning_rate": 0.05, "momentum": 0.9}),
        "schedule": Choice("cosine"),
        "batch_size": 32,
    }
)


@cache
def pictures(device: str) -> TrainValidation:
    """Pictures of noise around a mean of their class, in three colours."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(CLASSES, (EXAMPLES,), generator=generator)
    means = torch.rand((CLASSES, SIDE, SIDE, 3), generator=generator)
    noise = torch.rand((EXAMPLES, SIDE, SIDE, 3), generator=generator)
    images = ((0.3 * means[labels] + 0.7 * noise) * 255).to(torch.uint8).to(device)

    def part(indices: torch.Tensor) -> Examples:
        return Examples(
            images_NHWC=images,
            labels_N=labels.to(device),
            mean=(0.5, 0.5, 0.5),
            std=(0.25, 0.25, 0.25),
            indices=indices.to(device),
        )

    order = torch.randperm(EXAMPLES, generator=generator)
    train_part = part(order[VALIDATION:])
    return TrainValidation(
        train=train_part,
        validation=part(order[:VALIDATION]),
        unlabelled=train_part,
        classes=tuple("abcd"),
        image_shape=(3, SIDE, SIDE),
        device=torch.device(device),
        merged=False,
    )


class NotingCallback(StoppingCallback):
    """A callback that keeps what it is told about the engine."""

    def __init__(self, *beats: int) -> None:
        super().__init__(*beats)
        self.engines: list[str] = []

    def note_engine(self, description: str) -> None:
        self.engines.append(description)


@dataclass(frozen=True)
class Trained:
    """A network and what was reported and noted on the way."""

    network: nn.Module
    curve: Curve
    callback: NotingCallback

    def tensors(self) -> list[torch.Tensor]:
        """Parameters and buffers, on the CPU."""
        return [tensor.detach().cpu() for tensor in (*self.network.parameters(), *self.network.buffers())]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One training."""

    device: str
    objective: Objective = OBJECTIVE
    config: Configuration = CONFIG
    epochs: int = 3

    def leave(self, mode: StepMode, after: int) -> tuple[int, bytes]:
        """Begin the training, and return the epoch and state that it has after a number of beats."""
        callback = NotingCallback(after)
        with pytest.raises(StopTraining):
            self._train(mode, callback, Curve())
        return callback.states[-1]

    def train(self, mode: StepMode, *beats: int, state: tuple[int, bytes] | None = None) -> Trained:
        """Train it one way, from a state on, interrupted after the beats of these numbers."""
        callback = NotingCallback(*beats)
        callback.states = [] if state is None else [state]
        curves: list[Curve] = []

        def run() -> nn.Module:
            # An epoch that an earlier run reported comes again if it was interrupted before it was kept.
            curves.append(Curve())
            start = callback.states[-1][0] if callback.states else 0
            curves[-1].rows = curves[-2].rows[:start] if len(curves) > 1 else [{}] * start
            return self._train(mode, callback, curves[-1])

        network = run_to_the_end(run)
        return Trained(network, curves[-1], callback)

    def _train(self, mode: StepMode, callback: NotingCallback, curve: Curve) -> nn.Module:
        data = pictures(self.device)
        return train(
            self.objective, self.config, data, curve, epochs=self.epochs, seed=7, callback=callback, step_mode=mode
        )

    def changed(self, **changes: Any) -> "Case":
        """The case with other fields of its configuration."""
        return replace(self, config=self.config.replace(**changes))
