"""One training run of an objective: the network and the loop that a configuration asks for."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from objectives.base.device import as_out_of_memory, clear_memory
from objectives.base.errors import ObjectiveError, UnusableState
from objectives.base.registry import as_choice, resolve
from objectives.base.seeds import derive_seed
from objectives.core.objective import Objective
from objectives.data.batches.examples import TrainValidation
from objectives.reuse.catalogue import REUSES
from objectives.reuse.context import ReuseContext, TrainedNetwork
from objectives.reuse.freeze import Freeze
from objectives.schedules.catalogue import SCHEDULES
from objectives.schedules.rates import Rates, ReplayedRates, build_rates
from objectives.training.callbacks import TrainingCallback
from objectives.training.config import TrainingConfig
from objectives.training.loop import NOTHING_FROZEN, NULL_CALLBACK, Report, fit
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
    recorded_losses: Sequence[float] | None = None,
    sources: Mapping[str, TrainedNetwork] | None = None,
    callback: TrainingCallback = NULL_CALLBACK,
) -> nn.Module:
    """Train one network and return it with the weights that its value stands for.

    epochs: how many to train, at most. schedule_epochs: how many the schedule is drawn over, where a run of a
    longer training is repeated. trace: that run's learning rates at each epoch's start and end, for a schedule
    that looks at validation and cannot be computed again. sources: networks of other studies by the study's name.
    watcher: hears of every batch, and keeps the state that an interrupted training goes on from.
    An objective with a `train` of its own sees none of the four: it always begins at the beginning.

    Raises:
        Leave: the watcher said so.
        Diverged, OutOfMemory: what the configuration did to itself.
        ObjectiveError: the configuration does not fit the objective.
    """
    config = config.replace(epochs=epochs, seed=seed, image_shape=data.image_shape, classes=len(data.classes))
    try:
        if objective.train is not None:
            _seed_everything(data, seed)
            return _module(objective.train(config, data, report), "train")
        shipped = StandardTraining(
            objective=objective,
            config=config,
            data=data,
            epochs=epochs,
            seed=seed,
            schedule_epochs=schedule_epochs or epochs,
            recorded_losses=recorded_losses,
            sources=sources or {},
        )
        return shipped.run(report, callback)
    except (RuntimeError, MemoryError) as error:
        memory = as_out_of_memory(error, data.device)
        if memory is None:
            raise
        raise memory from None


def _seed_everything(data: TrainValidation, seed: int) -> None:
    """Set everything that draws at random without a generator of its own."""
    clear_memory(data.device)
    torch.manual_seed(derive_seed(seed, "weights"))
    random.seed(derive_seed(seed, "python"))
    np.random.seed(derive_seed(seed, "numpy") % 2**32)  # for objectives of users' own; nothing shipped draws from it


@dataclass(frozen=True, kw_only=True)
class StandardTraining:
    """One run of the training loop that comes with the package; the fields are `train`'s."""

    objective: Objective
    config: Configuration
    data: TrainValidation
    epochs: int
    seed: int
    schedule_epochs: int
    recorded_losses: Sequence[float] | None
    sources: Mapping[str, TrainedNetwork]

    def run(self, report: Report, callback: TrainingCallback) -> nn.Module:
        """Go on from the watcher's state; from the beginning where there is none, or it cannot be used."""
        state = callback.state()
        if state is not None:
            try:
                return self._fit(report, callback, state)
            except UnusableState as error:
                callback.refused(str(error))
        return self._fit(report, callback, None)

    def _fit(self, report: Report, callback: TrainingCallback, state: bytes | None) -> nn.Module:
        _seed_everything(self.data, self.seed)
        training = Configuration({**self.objective.defaults, **self.config}).into(TrainingConfig)
        model = build_network(self.objective, self.config).to(self.data.device)
        freeze = self._reuse(model, training, begun=state is not None, beat=callback.beat)
        fit(
            model,
            self.data,
            training,
            self._build_rates(training),
            report,
            epochs=self.epochs,
            seed=self.seed,
            precision=self.objective.precision,
            freeze=freeze,
            callback=callback,
            state=state,
        )
        return model

    def _reuse(self, model: nn.Module, training: TrainingConfig, *, begun: bool, beat: Callable[[], None]) -> Freeze:
        entry, options = resolve(REUSES, training.reuse, "reuse")
        reusing = ReuseContext(
            data=self.data,
            sources=self.sources,
            seed=self.seed,
            precision=self.objective.precision,
            begun=begun,
            beat=beat,
        )
        return entry.build(model, reusing, **options) or NOTHING_FROZEN

    def _build_rates(self, training: TrainingConfig) -> Rates:
        entry, _ = resolve(SCHEDULES, training.schedule, "schedule")
        if entry.needs_metric and self.data.merged and not self.recorded_losses:
            raise ObjectiveError(
                f"schedule {as_choice(training.schedule).name!r} needs validation examples, but here they are "
                "trained on as well; pass the losses of a recorded run"
            )
        rates = build_rates(
            training.schedule,
            float(training.optimizer_choice.options["learning_rate"]),
            self.schedule_epochs,
            warmup_epochs=training.warmup_epochs,
            warmup_start=training.warmup_start,
        )
        if entry.needs_metric and self.recorded_losses:
            return ReplayedRates(rates=rates, losses=self.recorded_losses)
        return rates


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
