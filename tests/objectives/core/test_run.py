"""Training runs on the digits: they learn, they repeat, and they end as they should."""

import sys
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from objectives.base.errors import Diverged, ObjectiveError, OutOfMemory
from objectives.base.registry import choose
from objectives.core import run
from objectives.core.loop import Report
from objectives.core.objective import Objective
from objectives.core.run import build_network, train
from objectives.data.batches.examples import TrainValidation
from objectives.discovery import find_objective
from objectives.models.activations import ACTIVATIONS, ActivationEntry
from objectives.models.catalogue import MODELS
from objectives.optimizers.catalogue import OPTIMIZERS
from objectives.schedules.catalogue import SCHEDULES, ScheduleEntry
from spaces import Choice, Configuration, Fixed, Float, Space, SpaceError
from tests.objectives.training.made import CONFIG, OBJECTIVE, Curve, TableRates, digits, equal, trained

METRICS = {
    "accuracy",
    "loss",
    "train_accuracy",
    "train_loss",
    "train_objective",
    "learning_rate",
    "learning_rate_end",
    "seconds",
}
PLATEAU = CONFIG.replace(schedule=Choice("plateau", {"patience": 0, "factor": 0.5}))


def test_digits_are_learned_in_a_few_epochs() -> None:
    model, curve = trained(epochs=5)
    assert len(curve.rows) == 5
    assert curve.of("accuracy")[-1] > 0.9
    assert curve.of("train_loss")[-1] < curve.of("train_loss")[0]
    assert next(model.parameters()).shape == (64, 64)


@pytest.mark.parametrize("dropout", [0.0, 0.2])
@pytest.mark.parametrize("model", MODELS)
def test_same_seed_same_bits_other_seed_others(model: str, dropout: float) -> None:
    objective = replace(OBJECTIVE, model=model)
    config = CONFIG.replace(dropout=dropout, width=8, flip=True, crop=2, cutout=3)
    (one, first), (same, second), (other, third) = (
        trained(objective, config, epochs=1, seed=seed) for seed in (7, 7, 8)
    )
    assert equal(one, same)
    assert not equal(one, other)
    for name in METRICS - {"seconds"}:
        assert first.of(name) == second.of(name)
    assert first.of("train_loss") != third.of("train_loss")


def test_code_that_ends_the_program_is_told_with_its_reason_and_place() -> None:
    def build_model(config: Configuration) -> nn.Module:
        sys.exit("no licence")

    objective = Objective(data="digits", build_model=build_model, space=Space(learning_rate=Float(0, 1)))
    with pytest.raises(ObjectiveError, match=r"test_run.py:\d+ ended the program with sys.exit\('no licence'\)"):
        trained(objective, Configuration({"learning_rate": 0.1}), epochs=1)


def test_a_network_with_extra_state_trains_and_ends_with_its_best_weights() -> None:
    class Stateful(nn.Linear):
        def get_extra_state(self) -> Any:
            return {"version": 1}

        def set_extra_state(self, state: Any) -> None:
            assert state == {"version": 1}

    def build_model(config: Configuration) -> nn.Module:
        return nn.Sequential(nn.Flatten(), Stateful(64, 10))

    objective = Objective(data="digits", build_model=build_model, space=Space(learning_rate=Float(0, 1)))
    _, curve = trained(objective, Configuration({"learning_rate": 0.01}), epochs=2)
    assert len(curve.rows) == 2


def test_what_happened_before_does_not_matter() -> None:
    one, _ = trained(epochs=1)
    torch.rand(7)
    same, _ = trained(epochs=1)
    assert equal(one, same)


def test_more_epochs_begin_as_fewer_do() -> None:
    constant = CONFIG.replace(schedule="constant")
    _, short = trained(config=constant, epochs=1)
    _, long = trained(config=constant, epochs=2)
    assert short.of("loss") == long.of("loss")[:1]


def test_metrics_of_every_epoch() -> None:
    _, curve = trained(epochs=3)
    for row in curve.rows:
        assert set(row) == METRICS
        assert all(isinstance(value, float) for value in row.values())
        assert 0 <= row["accuracy"] <= 1
        assert row["seconds"] > 0
    assert curve.of("learning_rate") == pytest.approx([0.1, 0.075, 0.025])
    assert curve.of("learning_rate_end") == pytest.approx([0.075, 0.025, 0.0], abs=1e-12)


def test_part_of_a_training_has_the_rates_of_the_whole() -> None:
    whole, part = trained(epochs=4)[1], trained(epochs=2, schedule_epochs=4)[1]
    for name in ("learning_rate", "learning_rate_end", "loss"):
        assert part.of(name) == whole.of(name)[:2]


def test_recorded_losses_replace_what_a_schedule_looks_at() -> None:
    worse = [1.0, 2.0, 3.0, 4.0]
    _, curve = trained(config=PLATEAU, epochs=4, recorded_losses=worse)
    assert curve.of("learning_rate") == curve.of("learning_rate_end") == [0.1, 0.1, 0.05, 0.025]
    _, cosine = trained(epochs=4, recorded_losses=worse)  # it looks at nothing
    assert equal(_, trained(epochs=4)[0])
    assert cosine.of("learning_rate")[1] > 0.05


@pytest.mark.parametrize("warmup_epochs", [0, 2])
def test_own_recorded_losses_give_the_same_training(warmup_epochs: int) -> None:
    config = PLATEAU.replace(warmup_epochs=warmup_epochs)
    model, curve = trained(config=config, epochs=5)
    again, replayed = trained(config=config, epochs=5, recorded_losses=curve.of("loss"))
    assert equal(model, again)
    for name in METRICS - {"seconds"}:
        assert curve.of(name) == replayed.of(name)


def test_own_recorded_accuracies_give_the_same_training() -> None:
    options = {"patience": 0, "factor": 0.5, "mode": "accuracy", "threshold": 0.05}
    config = CONFIG.replace(schedule=Choice("plateau", options))
    model, curve = trained(config=config, epochs=4)
    assert curve.of("learning_rate")[-1] < 0.1
    recorded = {"recorded_losses": [0.1] * 4, "recorded_accuracies": curve.of("accuracy")}
    assert equal(model, trained(config=config, epochs=4, **recorded)[0])


def test_plateau_has_nothing_to_look_at_where_validation_is_trained_on() -> None:
    merged = replace(digits(), merged=True)
    with pytest.raises(ObjectiveError, match="schedule 'plateau' needs validation examples"):
        train(OBJECTIVE, PLATEAU, merged, Curve(), epochs=2, seed=7)
    train(OBJECTIVE, PLATEAU, merged, Curve(), epochs=2, seed=7, recorded_losses=[0.1] * 2)


def test_momentum_moves_with_a_schedule_that_moves_it() -> None:
    """Another momentum of the optimizer's own makes no difference under one_cycle."""
    one, other = (
        CONFIG.replace(schedule="one_cycle", optimizer=Choice(name, {"learning_rate": 0.1, "momentum": momentum}))
        for name, momentum in (("nesterov", 0.5), ("nesterov", 0.9))
    )
    assert equal(trained(config=one)[0], trained(config=other)[0])
    assert not equal(
        trained(config=one.replace(schedule="cosine"))[0], trained(config=other.replace(schedule="cosine"))[0]
    )


def test_plateau_looks_at_the_validation_loss() -> None:
    options = {"learning_rate": 1e-7, "momentum": 0.0}
    schedule = Choice("plateau", {"patience": 0, "factor": 0.5})
    config = CONFIG.replace(optimizer=Choice("momentum", options), schedule=schedule)
    _, curve = trained(config=config, epochs=3)  # nothing is learned, so nothing gets better
    assert curve.of("learning_rate") == pytest.approx([1e-7, 1e-7, 5e-8], abs=0)


def _use_rates(monkeypatch: pytest.MonkeyPatch, *rates: float) -> None:
    """Train with learning rates that no space allows."""
    monkeypatch.setattr(run, "build_rates", lambda *_, **__: TableRates(rates))


@pytest.mark.parametrize("config", [CONFIG, CONFIG.replace(depth=1, batch_size=100_000)])
def test_absurd_learning_rate_diverges_with_its_epoch(config: Configuration, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second takes one step, after which it is the validation loss that is not finite."""
    curve = Curve()
    _use_rates(monkeypatch, 1e30, 1e30)
    with pytest.raises(Diverged, match=r"^(train_objective|loss) became (nan|inf) in epoch 0$"):
        train(OBJECTIVE, config, digits(), curve, epochs=2, seed=7)
    assert curve.rows == []


def test_divergence_in_a_later_epoch_is_told_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    curve = Curve()
    _use_rates(monkeypatch, 0.1, 1e30, 0.1)
    with pytest.raises(Diverged, match="in epoch 1"):
        train(OBJECTIVE, CONFIG, digits(), curve, epochs=3, seed=7)
    assert len(curve.rows) == 1


class Stop(Exception):
    """What a report may raise to end a training."""


def test_report_may_end_the_training() -> None:
    seen = []

    def report(epoch: int, metrics: object) -> None:
        seen.append(epoch)
        if epoch == 1:
            raise Stop

    with pytest.raises(Stop):
        train(OBJECTIVE, CONFIG, digits(), report, epochs=5, seed=7)
    assert seen == [0, 1]


def _linear(config: Configuration) -> nn.Module:
    channels, height, width = config.image_shape
    assert (config.epochs, config.seed) == (2, 7)
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * height * width, config.classes))


OWN_SPACE = Space(scale=Float(0, 1))
OWN = Configuration({**CONFIG, "scale": 0.5})


def test_own_model_is_trained_by_the_shipped_loop() -> None:
    objective = Objective(data="digits", build_model=_linear, space=OWN_SPACE)
    model, curve = trained(objective, OWN)
    assert isinstance(model, nn.Sequential)
    assert curve.of("accuracy")[-1] > 0.8


def _own_train(config: Configuration, data: TrainValidation, report: Report) -> nn.Module:
    assert (config.image_shape, config.classes, len(data.train)) == ((1, 8, 8), 10, 1150)
    for epoch in range(config.epochs):
        report(epoch, {"accuracy": config.scale})
    return nn.Linear(1, 1)


def test_own_train_brings_everything() -> None:
    objective = Objective(data="digits", train=_own_train, space=OWN_SPACE)
    model, curve = trained(objective, OWN)
    assert isinstance(model, nn.Linear)
    assert curve.rows == [{"accuracy": 0.5}, {"accuracy": 0.5}]


def _nothing(*_: object) -> Any:
    return {"a": 1}


@pytest.mark.parametrize("way", ["train", "build_model"])
def test_what_returns_no_module_is_refused(way: str) -> None:
    objective = Objective(data="digits", space=OWN_SPACE, **{way: _nothing})  # type: ignore[arg-type]
    with pytest.raises(ObjectiveError, match=f"{way} must return a torch.nn.Module, but returned dict"):
        trained(objective, OWN)


def _too_much(*_: object) -> Any:
    return torch.empty(2**48)


def test_failed_allocation_becomes_out_of_memory() -> None:
    objective = Objective(data="digits", space=OWN_SPACE, train=_too_much)
    with pytest.raises(OutOfMemory, match=r"cpu had too little memory: .*allocate") as caught:
        trained(objective, OWN)
    assert caught.value.peak_bytes == 0


def _broken(*_: object) -> Any:
    raise RuntimeError("the sizes of tensors must match")


def test_other_errors_stay_what_they_are() -> None:
    objective = Objective(data="digits", space=OWN_SPACE, train=_broken)
    with pytest.raises(RuntimeError, match=r"^the sizes of tensors must match$"):
        trained(objective, OWN)


def test_configuration_that_does_not_fit_is_told() -> None:
    with pytest.raises(SpaceError, match="MlpConfig needs a value for depth, width"):
        trained(config=Configuration({"learning_rate": 0.1}))
    with pytest.raises(ObjectiveError, match="batch_size must be at least 1, but got 0"):
        trained(config=CONFIG.replace(batch_size=0))
    with pytest.raises(ObjectiveError, match=r"label_smoothing must be at most 0.9999, but got 1.0"):
        trained(config=CONFIG.replace(label_smoothing=1.0))


def test_network_of_a_configuration() -> None:
    model = build_network(OBJECTIVE, CONFIG.replace(image_shape=(3, 4, 4), classes=7))
    assert model(torch.zeros(2, 3, 4, 4)).shape == (2, 7)


def test_shipped_first_study_trains_as_it_is_searched() -> None:
    objective = find_objective("digits-depth").objective
    parameters = {"depth": 2, "width": 64, "dropout": 0.1, "optimizer": "adamw", "schedule": "exponential"}
    options = {"adamw.learning_rate": 0.01, "adamw.weight_decay": 0.01, "exponential.final_fraction": 0.05}
    _, curve = trained(objective, objective.space.replay({**parameters, **options}), epochs=3)
    assert curve.of("accuracy")[-1] > 0.9
    assert curve.of("learning_rate")[0] == 0.01


def _halving(t: float, total: float, *, factor: float = 0.5) -> float:
    return float(factor**t)


def _scaled(*, scale: float = 1.0) -> nn.Module:
    return nn.Threshold(0.0, 0.0) if scale > 1 else nn.Softplus(scale)


def test_adding_entries_is_one_edit_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Made-up ones are chosen, sampled and trained with as the shipped ones are."""
    halving = ScheduleEntry(factor=_halving, space=Space(factor=Float(0.1, 0.9)), description="made up")
    scaled = ActivationEntry(build=_scaled, space=Space(scale=Float(0.5, 2.0)), description="made up")
    adam = replace(OPTIMIZERS["adam"], description="the same by another name")
    monkeypatch.setitem(SCHEDULES, "halving", halving)
    monkeypatch.setitem(ACTIVATIONS, "scaled", scaled)
    monkeypatch.setitem(OPTIMIZERS, "adam2", adam)
    space = OBJECTIVE.space.replace(
        activation=choose(ACTIVATIONS, "scaled", "relu"),
        optimizer=choose(OPTIMIZERS, "adam2", learning_rate=Fixed(0.01)),
        schedule=choose(SCHEDULES, "halving", "constant"),
    )
    parameters = {"activation": "scaled", "scaled.scale": 1.0, "schedule": "halving", "halving.factor": 0.5}
    model, curve = trained(replace(OBJECTIVE, space=space), space.replay(parameters))
    assert any(isinstance(module, nn.Softplus) for module in model.modules())
    assert curve.of("learning_rate") == [0.01, 0.005]
    assert curve.of("accuracy")[-1] > 0.8
