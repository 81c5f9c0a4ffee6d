"""The training loop. B: batch, C: channels, H, W: height and width, K: classes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import nn
from torchmetrics.classification import MulticlassAccuracy

from objectives.core.errors import Diverged
from objectives.data.augment import Augment
from objectives.data.examples import Examples, TrainValidation
from objectives.reuse.freeze import Freeze
from objectives.schedules.rates import Rates
from objectives.training.config import TrainingConfig
from objectives.training.device import Precision, autocast
from objectives.training.keeper import Keeper
from objectives.training.seeds import derive
from objectives.training.step import Step

# Called after every epoch with the 0-based epoch and its metrics; it may raise to end the training.
Report = Callable[[int, Mapping[str, float]], None]

EVALUATION_BATCH = 1024
NOTHING_FROZEN = Freeze(stages=(), epochs=0, rate_factor=1.0)


def fit(
    model: nn.Module,
    data: TrainValidation,
    config: TrainingConfig,
    rates: Rates,
    report: Report,
    *,
    epochs: int,
    seed: int,
    precision: Precision = "float32",
    freeze: Freeze = NOTHING_FROZEN,
) -> None:
    """Train `model` in place and report after every epoch; it ends with the weights that its value stands for.

    Those are the best epoch's by validation accuracy or, where the validation examples are trained on as well,
    the last one's. The metrics are `accuracy` and `loss` on the validation examples, `train_loss`, the schedule's
    learning rate at the epoch's start and end (`learning_rate`, `learning_rate_end`), and `seconds`.

    Raises:
        Diverged: the training loss or a metric is NaN or infinite.
        ObjectiveError: unknown optimizer, clipping or option.
    """
    step, keeper = Step(model, config, precision), Keeper(model, config, data)
    augment = Augment(flip=config.flip, crop=config.crop, cutout=config.cutout)
    steps = data.train.steps(config.batch_size, drop_last=True)
    for epoch in range(epochs):
        started = time.perf_counter()
        model.train()
        freeze.set(epoch)
        total_loss = torch.zeros((), device=data.device)
        batches = data.train.batches(
            config.batch_size, order_seed=derive(seed, "order", epoch), augment=augment, drop_last=True
        )
        for done, (x_BCHW, y_B) in enumerate(batches):
            now, then = done / steps, (done + 1) / steps
            learning_rate = rates.at(epoch, now) * freeze.factor(epoch)
            total_loss += step(x_BCHW, y_B, learning_rate, rates.momentum(epoch, now))
            if config.swa and rates.dips(epoch, now, then):
                keeper.average()
        train_loss = total_loss.item() / steps
        check_finite(epoch, {"train_loss": train_loss})
        metrics = {
            **evaluate(keeper.valued(), data.validation, len(data.classes), precision),
            "train_loss": train_loss,
            "learning_rate": rates.at(epoch, 0.0),
            "learning_rate_end": rates.at(epoch, 1.0),
            "seconds": time.perf_counter() - started,
        }
        check_finite(epoch, metrics)
        rates.observe(metrics["loss"])
        keeper.keep(metrics["accuracy"])
        report(epoch, metrics)
        if keeper.is_patience_over:
            break
    keeper.restore()


@torch.no_grad()
def evaluate(model: nn.Module, examples: Examples, classes: int, precision: Precision) -> dict[str, float]:
    """Accuracy (0 to 1) and mean cross-entropy loss (nats) over all examples, in evaluation mode."""
    model.eval()
    accuracy = MulticlassAccuracy(classes, average="micro", validate_args=False).to(examples.device)
    loss = torch.zeros((), device=examples.device)
    for x_BCHW, y_B in examples.batches(EVALUATION_BATCH, order_seed=None):
        with autocast(examples.device, precision):
            logits_BK = model(x_BCHW)
        accuracy.update(logits_BK, y_B)
        loss += F.cross_entropy(logits_BK.float(), y_B, reduction="sum")
    return {"accuracy": accuracy.compute().item(), "loss": loss.item() / len(examples)}


def check_finite(epoch: int, metrics: Mapping[str, float]) -> None:
    """Raise `Diverged` at the first metric that is NaN or infinite."""
    for name, value in metrics.items():
        if not math.isfinite(value):
            raise Diverged(f"{name} became {value} in epoch {epoch}")
