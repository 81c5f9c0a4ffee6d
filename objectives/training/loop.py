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
from objectives.core.registry import build, look_up
from objectives.data.examples import Augmentation, Examples, TrainValidation
from objectives.optimizers.catalogue import OPTIMIZERS, Groups
from objectives.schedules.rates import Rates
from objectives.training.config import TrainingConfig
from objectives.training.device import Precision, autocast
from objectives.training.seeds import derive

# Called after every epoch with the 0-based epoch and its metrics; it may raise to end the training.
Report = Callable[[int, Mapping[str, float]], None]

EVALUATION_BATCH = 1024


def fit(
    model: nn.Module,
    data: TrainValidation,
    config: TrainingConfig,
    rates: Rates,
    report: Report,
    *,
    epochs: int,
    seed: int,
    augment: tuple[Augmentation, ...] = (),
    precision: Precision = "float32",
) -> None:
    """Train `model` in place and report after every epoch.

    The metrics are `accuracy` and `loss` on the validation examples, `train_loss`, the learning rate at the
    epoch's start and end (`learning_rate`, `learning_rate_end`), and `seconds`.

    Raises:
        Diverged: the training loss or a metric is NaN or infinite.
        ObjectiveError: unknown optimizer, schedule or option.
    """
    optimizer = build_optimizer(model, config)
    steps = max(1, len(data.train) // config.batch_size)
    for epoch in range(epochs):
        started = time.perf_counter()
        model.train()
        total_loss = torch.zeros((), device=data.device)
        batches = data.train.batches(
            config.batch_size, order_seed=derive(seed, "order", epoch), augment=augment, drop_last=True
        )
        for step, (x_BCHW, y_B) in enumerate(batches):
            set_learning_rate(optimizer, rates.at(epoch, step / steps))
            with autocast(data.device, precision):
                loss = F.cross_entropy(model(x_BCHW), y_B, label_smoothing=config.label_smoothing)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total_loss += loss.detach()
        train_loss = total_loss.item() / steps
        check_finite(epoch, {"train_loss": train_loss})
        metrics = {
            **evaluate(model, data.validation, len(data.classes), precision),
            "train_loss": train_loss,
            "learning_rate": rates.at(epoch, 0.0),
            "learning_rate_end": rates.at(epoch, 1.0),
            "seconds": time.perf_counter() - started,
        }
        check_finite(epoch, metrics)
        rates.observe(metrics["loss"])
        report(epoch, metrics)


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


def build_optimizer(model: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    """The configured optimizer over the model's weights; biases and norms take no weight decay."""
    weights = [p for p in model.parameters() if p.requires_grad and p.ndim >= 2]
    others = [p for p in model.parameters() if p.requires_grad and p.ndim < 2]
    groups: Groups = [{"params": weights, "decays": True}, {"params": others, "decays": False}]
    choice = config.optimizer_choice
    entry = look_up(OPTIMIZERS, choice.name, "optimizer")
    return build(entry.build, choice, "optimizer", [group for group in groups if group["params"]])


def set_learning_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """Set every group's learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate


def check_finite(epoch: int, metrics: Mapping[str, float]) -> None:
    """Raise `Diverged` at the first metric that is NaN or infinite."""
    for name, value in metrics.items():
        if not math.isfinite(value):
            raise Diverged(f"{name} became {value} in epoch {epoch}")
