"""Steps of which Python starts each operation; they run on every device and for every network."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from torch import Tensor, nn

from objectives.base.seeds import derive_seed
from objectives.data.batches.examples import Examples
from objectives.schedules.epoch_rates import EpochRates
from objectives.training.engines.engine import Training
from objectives.training.evaluation import evaluate
from objectives.training.snapshot import Position
from objectives.training.step import set_rates


class EagerEngine:
    """An `Engine` for every device."""

    def __init__(self, training: Training) -> None:
        self._training = training

    def start_epoch(self, rates: EpochRates, position: Position) -> None:
        training = self._training
        batches = training.data.train.batches(
            training.batch_size,
            order_seed=derive_seed(training.seed, "order", position.epoch),
            augment=training.augment,
            drop_last=True,
            epoch=position.epoch,
            share=training.step.group.share,
        )
        self._batches: Iterator[tuple[Tensor, Tensor]] = islice(batches, position.batches, None)
        self._rates, self._position = rates, position

    def train_batch(self) -> None:
        step, rates, position = self._training.step, self._rates, self._position
        x_BCHW, y_B = next(self._batches)
        momentum = None if rates.momenta is None else rates.momenta[position.batches]
        set_rates(step.optimizer, rates.learning_rates[position.batches], momentum)
        step.group.seed_step(self._training.seed, position.epoch, position.batches, x_BCHW.device)
        position.loss += step.compute_gradients(x_BCHW, y_B, len(y_B) / self._training.examples)
        step.update()

    def evaluate(self, model: nn.Module, examples: Examples) -> dict[str, float]:
        training, step = self._training, self._training.step
        return evaluate(model, examples, step.precision, training.beat, step.group, training.counts_of(examples))

    def close(self) -> None:
        """Do nothing: it holds nothing."""
