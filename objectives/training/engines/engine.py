"""What the training loop asks of the way in which steps run, and what every way works on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

from objectives.data.batches.augmentation import Augmentation
from objectives.data.batches.examples import Examples, TrainValidation
from objectives.schedules.epoch_rates import EpochRates
from objectives.training.snapshot import Position
from objectives.training.step import Step


@dataclass(frozen=True, kw_only=True)
class Training:
    """One training run's fixed parts.

    batch_size: examples in a batch. seed: the trial's, from which an epoch's order and augmentation follow. beat: to
    be called after every batch of an evaluation. counts_KK: what an evaluation of the validation examples counts into,
    as `evaluate` does.
    """

    step: Step
    data: TrainValidation
    augment: Augmentation
    batch_size: int
    seed: int
    beat: Callable[[], None]
    counts_KK: Tensor | None = None

    def counts_of(self, examples: Examples) -> Tensor | None:
        """Return what an evaluation of these examples counts into; None for nothing."""
        return self.counts_KK if examples is self.data.validation else None

    @property
    def examples(self) -> int:
        """How many examples a batch has, over all devices that share it."""
        return min(self.batch_size, len(self.data.train))

    @property
    def steps(self) -> int:
        """How many batches an epoch has."""
        return self.data.train.steps(self.batch_size, drop_last=True)


class Engine(Protocol):
    """Runs the steps of a training, epoch by epoch."""

    def start_epoch(self, rates: EpochRates, position: Position) -> None:
        """Get ready for the batches of `position.epoch` from `position.batches` on; the network is in training mode.

        From here on `position.loss` is a tensor that `train_batch` adds to.
        """

    def train_batch(self) -> None:
        """Take the step of batch `position.batches` and add its loss; the caller counts it."""

    def evaluate(self, model: nn.Module, examples: Examples) -> dict[str, float]:
        """Return accuracy and loss of a network (the trained one or an average) on examples that stay the same."""

    def close(self) -> None:
        """Give back what it holds on the device."""
