"""The training of a learning-rate range test: a few hundred steps, each at a higher rate. B: batch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import count

from torch import Tensor

from objectives.base.device import as_out_of_memory, set_float32_precision
from objectives.base.errors import ObjectiveError
from objectives.base.seeds import derive_seed
from objectives.core.objective import Objective
from objectives.core.rate_range import RateRange, read_ramp
from objectives.core.run import build_network, read_training, seed_everything
from objectives.data.batches.examples import TrainValidation
from objectives.training.config import TrainingConfig
from objectives.training.step import Step, set_rates
from spaces import Configuration

END = 10.0
"""Multiple of the first loss at which the ramp ends."""


def train_ramp(
    objective: Objective, config: Configuration, data: TrainValidation, rates: Sequence[float], *, seed: int
) -> RateRange:
    """Train a new network with one step at each rate, on the training examples only, and return what its losses tell.

    The configuration's own rate, schedule, warm-up and reuse of a network do not apply; all else does.

    Raises:
        ObjectiveError: the objective trains by itself, or has fewer examples than a batch.
        OutOfMemory: the device's memory is too small for the configuration.
    """
    check_ramp(objective)
    try:
        first, losses = _take_steps(objective, config, data, rates, seed)
    except (RuntimeError, MemoryError) as error:
        memory = as_out_of_memory(error, data.device)
        if memory is None:
            raise
        raise memory from None
    return read_ramp(first, rates, losses)


def check_ramp(objective: Objective) -> None:
    """Raise `ObjectiveError` if the objective's training has no steps that can be taken here."""
    if objective.train is not None:
        raise ObjectiveError(
            "the objective trains with a `train` of its own, whose steps only it can take; a range test needs an "
            "objective with model or build_model"
        )


def _take_steps(
    objective: Objective, config: Configuration, data: TrainValidation, rates: Sequence[float], seed: int
) -> tuple[float, list[float]]:
    """Return the loss before the first step, and that after each step until it is far above the first one."""
    known = config.replace(epochs=objective.epochs, seed=seed, image_shape=data.image_shape, classes=len(data.classes))
    training = read_training(objective, Configuration({"learning_rate": rates[0], **known}))
    set_float32_precision(data.device, objective.precision)
    seed_everything(data, seed)
    model = build_network(objective, known).to(data.device)
    step = Step(model, training, objective.precision, data.device)
    batches = _draw_batches(data, training, seed)
    model.train()
    losses = [step.compute_gradients(*next(batches)).item()]
    for rate in rates:
        set_rates(step.optimizer, rate, None)
        step.update()
        losses.append(step.compute_gradients(*next(batches)).item())
        if not math.isfinite(losses[-1]) or losses[-1] > END * losses[0]:
            break
    return losses[0], losses[1:]


def _draw_batches(data: TrainValidation, training: TrainingConfig, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the batches of one epoch after another, augmented as in a training."""
    for epoch in count():
        yield from data.train.batches(
            training.batch_size,
            order_seed=derive_seed(seed, "order", epoch),
            augment=training.augmentation,
            drop_last=True,
        )
