"""One training run of an objective: builds a configuration's network and trains it."""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from objectives.base.device import as_out_of_memory, clear_memory, set_float32_precision
from objectives.base.errors import ObjectiveError, UnusableState
from objectives.base.registry import as_choice, resolve
from objectives.base.seeds import derive_seed
from objectives.core.loop import NOTHING_FROZEN, Report, fit
from objectives.core.objective import Objective
from objectives.data.batches.examples import TrainValidation
from objectives.models.own_modules import check_extra_state, create_lazy_parameters
from objectives.models.whitening import BATCH, whiten_patches
from objectives.reuse.catalogue import REUSES
from objectives.reuse.context import ReuseContext, Source
from objectives.reuse.freeze import Freeze
from objectives.schedules import factors
from objectives.schedules.building import ReplayedRates, build_rates
from objectives.schedules.catalogue import SCHEDULES
from objectives.schedules.rates import Rates
from objectives.training.callbacks import NULL_CALLBACK, TrainingCallback
from objectives.training.config import TrainingConfig
from objectives.training.device_group import ALONE, DeviceGroup
from objectives.training.engines.choice import StepMode
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
    recorded_accuracies: Sequence[float] | None = None,
    sources: Mapping[str, Source] | None = None,
    callback: TrainingCallback = NULL_CALLBACK,
    step_mode: StepMode = "auto",
    on_dip: Callable[[nn.Module], None] | None = None,
    group: DeviceGroup = ALONE,
) -> nn.Module:
    """Train one network and return it with the weights that its value was measured on.

    An objective with its own `train` uses none of the last seven arguments, and always starts at the first epoch.

    Args:
        epochs: how many to train, at most.
        schedule_epochs: how many epochs the schedule spans, if part of a longer training is repeated.
        recorded_losses: that training's validation losses, one per epoch, for a schedule that looks at them.
        recorded_accuracies: its validation accuracies, for one that looks at those.
        sources: networks of other studies and files of weights, by the names that `ReuseContext` has.
        callback: is told about every batch, and keeps the state that an interrupted training resumes from.
        step_mode: whether a step is launched as one CUDA graph (`graph`), operation by operation (`eager`), or as a
            graph where that is possible (`auto`).
        on_dip: is called with the network at each dip of the learning rate.
        group: the devices that train the network together, each of which calls this with the same arguments.

    Raises:
        StopTraining: the callback asked for it.
        Diverged, OutOfMemory: the configuration failed by its own fault.
        ObjectiveError: the configuration does not fit the objective.
    """
    config = config.replace(epochs=epochs, seed=seed, image_shape=data.image_shape, classes=len(data.classes))
    try:
        if objective.train is not None:
            seed_everything(data, seed)
            return _check_module(objective.train(config, data, report), "train")
        shipped = StandardTraining(
            objective=objective,
            config=config,
            data=data,
            epochs=epochs,
            seed=seed,
            schedule_epochs=schedule_epochs or epochs,
            recorded_losses=recorded_losses,
            recorded_accuracies=recorded_accuracies,
            sources=sources or {},
            step_mode=step_mode,
            on_dip=on_dip,
            group=group,
        )
        return shipped.run(report, callback)
    except SystemExit as error:
        raise ObjectiveError(_describe_exit(error)) from error
    except (RuntimeError, MemoryError) as error:
        memory = as_out_of_memory(error, data.device)
        if memory is None:
            raise
        raise memory from None


def _describe_exit(error: SystemExit) -> str:
    """Return where the objective's code called `sys.exit`, and the reason that it gave."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"{frame.filename}:{frame.lineno} ended the program with sys.exit({error.code!r}); raise an exception instead, "
        "and the trial fails with its message"
    )


def seed_everything(data: TrainValidation, seed: int) -> None:
    """Seed the global random generators and free the device's memory."""
    clear_memory(data.device)
    weights_seed = derive_seed(seed, "weights")
    if data.device.type == "cpu" and not torch.cuda.is_available():
        # Without a note for GPUs that are not used, which takes longer.
        torch.default_generator.manual_seed(weights_seed)
    else:
        torch.manual_seed(weights_seed)
    random.seed(derive_seed(seed, "python"))
    np.random.seed(derive_seed(seed, "numpy") % 2**32)  # for users' objectives; shipped code does not use it


@dataclass(frozen=True, kw_only=True)
class StandardTraining:
    """One run of the shipped training loop; the fields are the arguments of `train`."""

    objective: Objective
    config: Configuration
    data: TrainValidation
    epochs: int
    seed: int
    schedule_epochs: int
    recorded_losses: Sequence[float] | None
    recorded_accuracies: Sequence[float] | None
    sources: Mapping[str, Source]
    step_mode: StepMode
    on_dip: Callable[[nn.Module], None] | None
    group: DeviceGroup

    def run(self, report: Report, callback: TrainingCallback) -> nn.Module:
        """Resume from the callback's state, or start from the beginning if there is none or it cannot be used."""
        state = callback.load_state()
        if state is not None:
            try:
                return self._fit(report, callback, state)
            except UnusableState as error:
                callback.report_refused(str(error))
        return self._fit(report, callback, None)

    def _fit(self, report: Report, callback: TrainingCallback, state: bytes | None) -> nn.Module:
        set_float32_precision(self.data.device, self.objective.precision)
        seed_everything(self.data, self.seed)
        training = read_training(self.objective, self.config)
        model = build_network(self.objective, self.config).to(self.data.device)
        if state is None:
            fit_to_images(model, self.data)
        freeze = self._reuse_weights(model, training, begun=state is not None, beat=callback.beat)
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
            step_mode=self.step_mode,
            on_dip=self.on_dip,
            group=self.group,
        )
        return model

    def _reuse_weights(
        self, model: nn.Module, training: TrainingConfig, *, begun: bool, beat: Callable[[], None]
    ) -> Freeze:
        entry, options = resolve(REUSES, training.reuse, "reuse")
        context = ReuseContext(
            data=self.data,
            sources=self.sources,
            seed=self.seed,
            precision=self.objective.precision,
            begun=begun,
            beat=beat,
        )
        return entry.build(model, context, **options) or NOTHING_FROZEN

    def _build_rates(self, training: TrainingConfig) -> Rates:
        entry, options = resolve(SCHEDULES, training.schedule, "schedule")
        looks_at = options.get("mode", factors.MODE)
        recorded = self.recorded_accuracies if looks_at == "accuracy" else self.recorded_losses
        if entry.needs_metric and self.data.merged and not recorded:
            raise ObjectiveError(
                f"schedule {as_choice(training.schedule).name!r} needs validation examples, but here they are "
                f"trained on as well; pass the {'accuracies' if looks_at == 'accuracy' else 'losses'} of a recorded run"
            )
        rates = _build_rates(training, float(training.optimizer_choice.options["learning_rate"]), self.schedule_epochs)
        return ReplayedRates(rates=rates, values=recorded) if entry.needs_metric and recorded else rates


def read_training(objective: Objective, config: Configuration) -> TrainingConfig:
    """Return how a configuration is trained; what it leaves out is the objective's default."""
    return Configuration({**objective.defaults, **config}).into(TrainingConfig)


def _build_rates(training: TrainingConfig, initial: float, epochs: int) -> Rates:
    return build_rates(
        training.schedule,
        initial,
        epochs,
        warmup_epochs=training.warmup_epochs,
        warmup_start=training.warmup_start,
    )


def count_dips(objective: Objective, config: Configuration, epochs: int, schedule_epochs: int) -> int:
    """Return in how many of the first `epochs` of a schedule of `schedule_epochs` the learning rate has a dip."""
    if objective.train is not None:
        return 0
    rates = _build_rates(read_training(objective, config), 1.0, schedule_epochs)
    return sum(rates.has_dip(epoch, 0.0, 1.0) for epoch in range(epochs))


def build_network(objective: Objective, config: Configuration) -> nn.Module:
    """Return the untrained network of a configuration that has `image_shape` and `classes`."""
    if objective.build_model is not None:
        network = _check_module(objective.build_model(config), "build_model")
        create_lazy_parameters(network, config["image_shape"])
        check_extra_state(network)
        return network
    entry = objective.network
    assert entry is not None
    return entry.build(config.into(entry.config), config["image_shape"], config["classes"])


def fit_to_images(model: nn.Module, data: TrainValidation) -> None:
    """Give a new network what it takes from training images before it is trained: the filters of a whitening layer."""
    # One order for all trials, because stored images may be sorted by class.
    whiten_patches(model, lambda: data.train.images(BATCH, order_seed=0))


def _check_module(value: object, name: str) -> nn.Module:
    if not isinstance(value, nn.Module):
        raise ObjectiveError(f"{name} must return a torch.nn.Module, but returned {type(value).__name__}")
    return value
