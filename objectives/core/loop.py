"""The training loop. B: batch, C: channels, H, W: height and width, K: classes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

import torch
from torch import nn

from objectives.base.device import Precision
from objectives.base.errors import Diverged, StopTraining
from objectives.data.batches.examples import Examples, TrainValidation
from objectives.reuse.freeze import Freeze
from objectives.schedules.epoch_rates import tabulate_epoch
from objectives.schedules.rates import Rates
from objectives.training.best_weights import BestWeights
from objectives.training.callbacks import NULL_CALLBACK, TrainingCallback
from objectives.training.config import TrainingConfig
from objectives.training.confusion import ConfusionCounts
from objectives.training.device_group import ALONE, DeviceGroup
from objectives.training.engines.choice import StepMode, choose_engine
from objectives.training.engines.engine import Engine, Training
from objectives.training.layer_watch import LayerWatch
from objectives.training.random_states import get_random_states, set_random_states
from objectives.training.snapshot import TrainingState
from objectives.training.step import Step
from objectives.training.training_part import choose_training_part

# Called after every epoch with the 0-based epoch and its metrics; it may raise to end training.
Report = Callable[[int, Mapping[str, float]], None]

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
    callback: TrainingCallback = NULL_CALLBACK,
    state: bytes | None = None,
    step_mode: StepMode = "auto",
    on_dip: Callable[[nn.Module], None] | None = None,
    group: DeviceGroup = ALONE,
) -> None:
    """Train `model` in place and report after every epoch; it ends with the weights that its value was measured on.

    Those are the best epoch's by validation accuracy or, if the validation examples are trained on as well, the
    last one's. The metrics are `accuracy` and `loss` on the validation examples, `train_accuracy` and `train_loss`, the
    same of a fixed part of the training examples, `train_objective`, the mean of what the epoch's steps minimized, with
    dropout, augmentation, smoothing and penalties, the optimizer's learning rate at the epoch's start and end
    (`learning_rate`, `learning_rate_end`), and `seconds`. With a `state` that the callback was given, training resumes
    there and gives the same numbers as without a break.
    `on_dip` is called with the model at each dip of the learning rate. The devices of a group each call this, with the
    same arguments; a state that one of them keeps is that of all.

    Raises:
        Diverged: the objective or a metric is NaN or infinite.
        StopTraining: the callback asked for it; it has been given the state.
        UnusableState: the state is damaged or belongs to another training; `model` cannot be used any more.
        ObjectiveError: unknown optimizer, clipping or option.
    """
    step = Step(model, config, precision, data.device, freeze.own_rates, group)
    best_weights, confusion = BestWeights(model, config, data), ConfusionCounts(len(data.classes), data.device)
    run = TrainingState(
        model=model,
        optimizer=step.optimizer,
        rates=rates,
        best_weights=best_weights,
        confusion=confusion,
        device=data.device,
    )
    training = Training(
        step=step,
        data=data,
        augment=config.augmentation,
        batch_size=config.batch_size,
        seed=seed,
        beat=callback.beat,
        counts_KK=confusion.counts_KK,
    )
    callback.note_parameters(sum(parameter.numel() for parameter in model.parameters()))
    looks_for_dips = config.swa or on_dip is not None
    engine, steps = choose_engine(step_mode, training, callback.note_engine), training.steps
    watch, training_part = LayerWatch(step, data, steps, callback), choose_training_part(data)
    position = run.start_epoch(0) if state is None else run.restore(state)
    confusion.tell(callback)
    group.copy_first(model)
    try:
        while position.epoch < epochs and not best_weights.is_patience_over:
            epoch, started = position.epoch, time.perf_counter()
            factor = freeze.factor(epoch)
            model.train()
            freeze.apply(epoch)
            watch.start_epoch(epoch, position.batches)
            engine.start_epoch(tabulate_epoch(rates, epoch, steps, factor), position)
            for batch in range(position.batches, steps):
                engine.train_batch()
                watch.end_batch(epoch)
                if looks_for_dips and rates.has_dip(epoch, batch / steps, (batch + 1) / steps):
                    _visit_dip(model, best_weights if config.swa else None, on_dip)
                position.batches += 1
                callback.beat()
            objective = position.loss.item() / steps
            check_finite(epoch, {"train_objective": objective})
            valued = best_weights.prepare_model()
            metrics = {
                **engine.evaluate(valued, data.validation),
                **evaluate_apart(engine, valued, training_part, data.device),
                "train_objective": objective,
                "learning_rate": rates.at(epoch, 0.0) * factor,
                "learning_rate_end": rates.at(epoch, 1.0) * factor,
                "seconds": time.perf_counter() - started,
            }
            check_finite(epoch, metrics)
            rates.observe(metrics["loss"], metrics["accuracy"])
            if best_weights.keep(metrics["accuracy"]):
                confusion.keep(epoch)
            position = run.start_epoch(epoch + 1)
            report(epoch, metrics)
            confusion.tell(callback)
            if position.epoch < epochs and callback.due():
                callback.keep(position.epoch, run.pack(position))
    except StopTraining:
        callback.keep(position.epoch, run.pack(position))
        raise
    finally:
        engine.close()
    best_weights.load_final_weights()


def evaluate_apart(engine: Engine, model: nn.Module, examples: Examples, device: torch.device) -> dict[str, float]:
    """Return accuracy and loss on training examples as `train_accuracy` and `train_loss`.

    Random states stay as they are, so that training goes on as if nothing had been measured.
    """
    states = get_random_states(device)
    try:
        return {f"train_{name}": value for name, value in engine.evaluate(model, examples).items()}
    finally:
        set_random_states(states, device)


def _visit_dip(model: nn.Module, averaged: BestWeights | None, on_dip: Callable[[nn.Module], None] | None) -> None:
    if averaged is not None:
        averaged.average()
    if on_dip is not None:
        on_dip(model)


def check_finite(epoch: int, metrics: Mapping[str, float]) -> None:
    """Raise `Diverged` if a metric is NaN or infinite."""
    for name, value in metrics.items():
        if not math.isfinite(value):
            raise Diverged(f"{name} became {value} in epoch {epoch}")
