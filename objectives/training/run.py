"""One training run of an objective: the network and the loop that a configuration asks for."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn

from objectives.core.errors import ObjectiveError
from objectives.core.objective import Objective
from objectives.core.registry import as_choice, resolve
from objectives.data.examples import TrainValidation
from objectives.reuse.catalogue import REUSES
from objectives.reuse.freeze import Freeze
from objectives.reuse.reusing import Reusing, TrainedNetwork
from objectives.schedules.catalogue import SCHEDULES
from objectives.schedules.rates import Rates, Replayed, rates_for
from objectives.training.config import TrainingConfig
from objectives.training.device import clear, out_of_memory
from objectives.training.loop import NOTHING_FROZEN, Report, fit
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
    schedule_epochs: int | None = None,
    trace: Sequence[tuple[float, float]] | None = None,
    sources: Mapping[str, TrainedNetwork] | None = None,
) -> nn.Module:
    """Train one network and return it with the weights that its value stands for.

    epochs: how many to train, at most. schedule_epochs: how many the schedule is drawn over, where a run of a
    longer training is repeated. trace: that run's learning rates at each epoch's start and end, for a schedule
    that looks at validation and cannot be computed again. sources: networks of other studies by the study's name.
    An objective with a `train` of its own sees none of the three.

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
        training = Configuration({**objective.defaults, **config}).into(TrainingConfig)
        model = build_network(objective, config).to(data.device)
        fit(
            model,
            data,
            training,
            _rates(training, data, schedule_epochs or epochs, trace),
            report,
            epochs=epochs,
            seed=seed,
            precision=objective.precision,
            freeze=_reuse(model, objective, training, data, seed, sources or {}),
        )
        return model
    except (RuntimeError, MemoryError) as error:
        memory = out_of_memory(error, data.device)
        if memory is None:
            raise
        raise memory from None


def _rates(
    training: TrainingConfig,
    data: TrainValidation,
    epochs: int,
    trace: Sequence[tuple[float, float]] | None,
) -> Rates:
    entry, _ = resolve(SCHEDULES, training.schedule, "schedule")
    if entry.needs_metric and trace:
        return Replayed(trace)
    if entry.needs_metric and data.merged:
        raise ObjectiveError(
            f"schedule {as_choice(training.schedule).name!r} needs validation examples, and here they are trained "
            "on as well; give the recorded learning rates"
        )
    return rates_for(
        training.schedule,
        float(training.optimizer_choice.options["learning_rate"]),
        epochs,
        warmup_epochs=training.warmup_epochs,
        warmup_start=training.warmup_start,
    )


def _reuse(
    model: nn.Module,
    objective: Objective,
    training: TrainingConfig,
    data: TrainValidation,
    seed: int,
    sources: Mapping[str, TrainedNetwork],
) -> Freeze:
    entry, options = resolve(REUSES, training.reuse, "reuse")
    reusing = Reusing(data=data, sources=sources, seed=seed, precision=objective.precision)
    return entry.build(model, reusing, **options) or NOTHING_FROZEN


def build_network(objective: Objective, config: Configuration) -> nn.Module:
    """The untrained network of a configuration that has `image_shape` and `classes`."""
    if objective.build_model is not None:
        return _module(objective.build_model(config), "build_model")
    entry = objective.network
    assert entry is not None
    return entry.build(config.into(entry.config), config["image_shape"], config["classes"])


def _module(value: object, name: str) -> nn.Module:
    if not isinstance(value, nn.Module):
        raise ObjectiveError(f"{name} must return a torch.nn.Module, but returned {type(value).__name__}")
    return value
