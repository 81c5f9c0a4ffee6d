"""Networks that are built to fail are named right, and those that learn are not accused."""

from __future__ import annotations

import importlib
import math
import pkgutil
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import optuna
import pytest
from torch import nn

import objectives.studies
from objectives.base.errors import ObjectiveError
from objectives.core.objective import Objective
from objectives.diagnosis.faults import Kind, diagnose
from objectives.diagnosis.records import LARGEST, EpochRecord, LayerRecord, NetworkRecord
from spaces import Choice, Configuration
from tests.objectives.diagnosis.made import build_config, build_mlp, build_plain, watch

SIGMOIDS = {"depth": 10, "width": 64, "activation": "sigmoid", "initializer": "glorot_normal"}
SMALL = {"depth": 3, "width": 64}
FAILING: list[tuple[Kind, str | None, Objective, Configuration]] = [
    ("vanishing", "stages.0.0", build_mlp(10), build_config("sgd", 0.1, **SIGMOIDS)),
    ("exploding", "19", build_plain(9, nn.ReLU, deviation=1.0), build_config("sgd", 0.01)),
    ("dead", "1", build_plain(3, nn.ReLU, bias=-10.0), build_config("adam", 1e-3)),
    ("saturated", "7", build_plain(4, nn.Tanh, deviation=3.0), build_config("sgd", 0.01)),
    ("rate too high", None, build_mlp(), build_config("adam", 1.0, **SMALL)),
    ("rate too low", None, build_mlp(), build_config("adamw", 1e-7, **SMALL)),
    ("rate too high", None, build_mlp(), build_config("sgd", 10.0, **SMALL)),
]
HEALTHY: dict[str, Mapping[str, Any]] = {
    "sgd": {"optimizer": Choice("sgd", {"learning_rate": 0.1})},
    "a fast adam": {"optimizer": Choice("adam", {"learning_rate": 0.03})},
    "tanh": {"activation": "tanh", "initializer": "glorot_normal"},
    "one sigmoid": {"activation": "sigmoid", "depth": 1, "initializer": "glorot_normal"},
    "20 layers of he_normal": {"depth": 20},
    "30 layers of selu": {"depth": 30, "activation": "selu", "initializer": "lecun_normal"},
    "8 layers of batch norm": {"depth": 8, "normalization": "batch_norm"},
    "hard regularization": {"dropout": 0.3, "l2": 1e-3, "max_norm": 1.0, "label_smoothing": 0.1},
    "warm-up": {"warmup_epochs": 2, "schedule": Choice("one_cycle")},
}


@pytest.mark.parametrize(("kind", "layer", "objective", "config"), FAILING, ids=lambda value: str(value)[:13])
def test_a_network_that_is_built_to_fail_is_named_right(
    kind: Kind, layer: str | None, objective: Objective, config: Configuration
) -> None:
    _, faults, curve = watch(objective, config)
    assert [fault.kind for fault in faults] == [kind]
    assert faults[0].layer == layer
    assert "; try " in str(faults[0])
    assert max(curve.of("accuracy"), default=0.0) < 0.7


@pytest.mark.parametrize("name", HEALTHY)
def test_a_network_that_learns_is_not_accused(name: str) -> None:
    config = build_config("adam", 2e-3, **SMALL).replace(**HEALTHY[name])
    records, faults, curve = watch(build_mlp(), config, epochs=8)
    assert max(curve.of("accuracy")) > 0.8
    assert faults == []
    for end in range(1, len(records)):  # a pruner may stop it after any epoch
        assert diagnose(records[:end]) == []


@pytest.mark.long
def test_networks_of_the_shipped_spaces_that_learn_are_not_accused() -> None:
    names = [module.name for module in pkgutil.iter_modules(objectives.studies.__path__)]
    learned, accused = 0, []
    for number in range(60):
        name = names[number % len(names)]
        shipped: Objective = importlib.import_module(f"objectives.studies.{name}").OBJECTIVE
        if shipped.model not in ("mlp", "rnn") or "transfer" in name:  # slow ones, and one that needs another network
            continue
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=number))
        config = shipped.space.sample(study.ask())
        try:
            _, faults, curve = watch(replace(shipped, data="digits"), config, epochs=6, seed=number)
        except ObjectiveError:  # a schedule that needs more epochs
            continue
        if max(curve.of("accuracy"), default=0.0) > 0.8:
            learned += 1
            accused += [(name, number, str(fault)) for fault in faults]
    assert learned >= 12
    assert accused == []


def layer(name: str = "1", **changes: Any) -> LayerRecord:
    healthy = LayerRecord(
        name=name, gradient=1.0, weight=10.0, update=1e-3, mean=0.4, deviation=1.0, dead=0.1, saturated=None
    )
    return replace(healthy, **changes)


def epochs(*layers: LayerRecord, loss: float = 2.3, losses: tuple[float, ...] = (2.3, 2.29)) -> list[EpochRecord]:
    network = NetworkRecord(classes=10, loss=loss, layers=layers)
    return [
        EpochRecord(
            epoch=epoch,
            metrics={"train_loss": value, "train_objective": value, "learning_rate": 0.1, "learning_rate_end": 0.1},
            network=network if epoch == 0 else None,
        )
        for epoch, value in enumerate(losses)
    ]


CASES: list[tuple[list[EpochRecord], list[str]]] = [
    (epochs(layer(), layer("2")), []),
    (epochs(layer(gradient=1e-6), layer("2")), ["vanishing"]),
    (epochs(layer(gradient=2e-3), layer("2")), []),
    (epochs(layer(gradient=0.0), layer("2", gradient=1e-9)), ["vanishing"]),
    (epochs(layer(gradient=0.0), layer("2", gradient=0.0)), ["vanishing"]),
    (epochs(layer(gradient=None), layer("2")), []),  # frozen
    (epochs(layer(), layer("2", weight=0.0, gradient=1.0, update=None)), []),
    (epochs(layer(gradient=2e3), layer("2")), ["exploding"]),
    (epochs(layer(), layer("2"), loss=24.0), ["exploding"]),
    (epochs(layer(), layer("2"), loss=LARGEST), ["exploding"]),
    (epochs(layer(dead=0.95, gradient=0.0), layer("2")), ["dead"]),
    (epochs(layer(dead=0.6), layer("2")), []),
    (epochs(layer(saturated=0.8, gradient=1e-6), layer("2")), ["saturated"]),
    (epochs(layer(update=0.5), layer("2", update=0.4)), ["rate too high"]),
    (epochs(layer(), layer("2"), losses=(9.0, 2.3)), ["rate too high"]),
    (epochs(layer(update=1e-6), layer("2", update=5e-5)), ["rate too low"]),
    (epochs(layer(update=1e-6), layer("2")), []),
    # What would be a fault in a network that does not learn.
    (epochs(layer(gradient=1e-6, dead=1.0), layer("2", update=0.5), losses=(2.3, 1.1)), []),
    ([EpochRecord(epoch=0, metrics={"accuracy": 0.1})], []),
    ([], []),
]


@pytest.mark.parametrize(("records", "kinds"), CASES)
def test_thresholds(records: list[EpochRecord], kinds: list[str]) -> None:
    assert [fault.kind for fault in diagnose(records)] == kinds


def test_the_words_have_the_numbers_and_a_remedy() -> None:
    [fault] = diagnose(epochs(layer("stages.0.0", gradient=1e-6), layer("output")))
    assert str(fault) == (
        "vanishing gradients: layer 1 of 2 (stages.0.0) gets 1e-06 of the gradient of the output layer; try he_normal "
        "with relu, batch_norm, a resnet, or fewer layers"
    )
    [fault] = diagnose(epochs(layer(update=1e-6)))
    assert "from 2.3 to 2.29 in 2 epochs; try thirty times the rate (3)" in str(fault)


def test_a_small_first_step_of_a_warm_up_is_no_low_rate() -> None:
    records = epochs(layer(update=5e-5))
    assert diagnose(records) != []
    warm = replace(records[0], metrics={**records[0].metrics, "learning_rate": 1e-3})
    assert diagnose([warm, records[1]]) == []


def test_a_divergence_is_explained_by_the_start_or_by_the_rate() -> None:
    healthy = epochs(layer(), layer("2"), losses=(0.2, 0.1))
    last = EpochRecord(epoch=2)
    [fault] = diagnose([*healthy, last], diverged=True)
    assert fault.kind == "rate too high"
    assert "the training diverged in epoch 3" in str(fault)
    begun = NetworkRecord(classes=10, loss=math.inf, layers=(layer(),))
    [fault] = diagnose([EpochRecord(epoch=0, network=begun)], diverged=True)
    assert fault.kind == "exploding"


def test_units_that_died_of_a_high_rate_are_its_fault() -> None:
    start = epochs(layer(update=0.2), layer("2", update=0.2))[0]
    assert start.network is not None
    later = replace(start, epoch=1, network=replace(start.network, layers=(layer(dead=1.0), layer("2"))))
    [fault] = diagnose([start, later])
    assert fault.kind == "rate too high"
    assert "since then, dead units: 100%" in str(fault)
