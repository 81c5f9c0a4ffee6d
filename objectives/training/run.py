"""One training run of an objective: the network and the loop that a configuration asks for."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from objectives.core.errors import ObjectiveError
from objectives.core.objective import Objective
from objectives.core.registry import look_up
from objectives.data.examples import TrainValidation
from objectives.models.catalogue import MODELS
from objectives.schedules.rates import Rates, Replayed, rates_for
from objectives.training.config import TrainingConfig
from objectives.training.device import clear, out_of_memory
from objectives.training.loop import Report, fit
from objectives.training.seeds import derive
from spaces import Configuration


def train(
    objective: Objective,
    config: Configuration,
    data: TrainValidation,
    report: Report,
    *,
    epochs: int,
    seed: int,
    trace: Sequence[tuple[float, float]] | None = None,
) -> nn.Module:
    """Train one network and return it with its last epoch's weights.

    `trace` has a recorded run's learning rates at each epoch's start and end and replaces the schedule; an
    objective with a `train` of its own does not see it.

    Raises:
        Diverged, OutOfMemory: what the configuration did to itself.
        ObjectiveError: the configuration does not fit the objective.
    """
    config = config.replace(epochs=epochs, seed=seed, image_shape=data.image_shape, classes=len(data.classes))
    clear(data.device)
    torch.manual_seed(derive(seed, "weights"))
    random.seed(derive(seed, "python"))
    np.random.seed(derive(seed, "numpy") % 2**32)  # for objectives of users' own; nothing shipped draws from it
    try:
        if objective.train is not None:
            return _module(objective.train(config, data, report), "train")
        return _fit(objective, config, data, report, epochs, seed, trace)
    except (RuntimeError, MemoryError) as error:
        memory = out_of_memory(error, data.device)
        if memory is None:
            raise
        raise memory from None


def _fit(
    objective: Objective,
    config: Configuration,
    data: TrainValidation,
    report: Report,
    epochs: int,
    seed: int,
    trace: Sequence[tuple[float, float]] | None,
) -> nn.Module:
    training = config.into(TrainingConfig)
    model = build_network(objective, config).to(data.device)
    initial = float(training.optimizer_choice.options["learning_rate"])
    rates: Rates = Replayed(trace) if trace else rates_for(training.schedule_choice, initial, epochs)
    fit(
        model,
        data,
        training,
        rates,
        report,
        epochs=epochs,
        seed=seed,
        augment=objective.augment,
        precision=objective.precision,
    )
    return model


def build_network(objective: Objective, config: Configuration) -> nn.Module:
    """The untrained network of a configuration that has `image_shape` and `classes`."""
    if objective.build_model is not None:
        return _module(objective.build_model(config), "build_model")
    assert objective.model is not None
    entry = look_up(MODELS, objective.model, "model")
    return entry.build(config.into(entry.config), config["image_shape"], config["classes"])


def _module(value: object, name: str) -> nn.Module:
    if not isinstance(value, nn.Module):
        raise ObjectiveError(f"{name} must return a torch.nn.Module, but returned {type(value).__name__}")
    return value
