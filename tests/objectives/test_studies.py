"""What the shipped studies promise."""

import optuna
import pytest

from objectives.core.overriding import override_objective
from objectives.core.run import train
from objectives.discovery import find_objective, objective_names
from objectives.models.activations import ACTIVATIONS
from objectives.optimizers.catalogue import OPTIMIZERS
from objectives.optimizers.clipping import CLIPPINGS
from spaces import Categorical, Configuration, Fixed, corners
from tests.objectives.test_catalogue import donor, one_batch
from tests.objectives.training.made import Curve

SHIPPED = {name: find_objective(name).objective for name in objective_names()}
LONG = 20


def _draw(name: str, seed: int) -> Configuration:
    sampler = optuna.samplers.RandomSampler(seed=seed)
    return SHIPPED[name].space.sample(optuna.create_study(sampler=sampler).ask())


@pytest.mark.parametrize("name", [name for name, it in SHIPPED.items() if it.epochs > LONG])
def test_a_long_training_ends_when_it_no_longer_improves(name: str) -> None:
    found = [corner["early_stopping"] for corner in corners(SHIPPED[name].space, {"early_stopping"})]
    assert all(0 < patience < SHIPPED[name].epochs for patience in found)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_recurrent_network_trains_with_every_optimizer(optimizer: str) -> None:
    recurrent = SHIPPED["fashion-recurrent"]
    chosen, clipping = recurrent.space.domains["optimizer"], recurrent.space.domains["clipping"]
    assert isinstance(chosen, Categorical)
    assert isinstance(clipping, Categorical)
    assert (chosen.choices, clipping.choices) == (tuple(OPTIMIZERS), tuple(CLIPPINGS))
    one = override_objective(recurrent, [f"optimizer={optimizer}", "width=16", "depth=2", "clipping=none"])
    config = one.space.sample(optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)).ask())
    curve = Curve()
    train(one, config, one_batch(), curve, epochs=1, seed=0)
    assert len(curve.rows) == 1


@pytest.mark.parametrize("name", ["table-default", "table-selfnorm"])
def test_a_textbook_s_table_trains_as_it_stands(name: str) -> None:
    for seed in range(4):
        curve = Curve()
        train(SHIPPED[name], _draw(name, seed), one_batch(), curve, epochs=2, schedule_epochs=30, seed=0)
        assert len(curve.rows) == 2


def test_the_default_table_has_swish_and_batch_norm_if_deep_and_relu_alone_if_shallow() -> None:
    found = list(corners(SHIPPED["table-default"].space, {"depth", "activation", "normalization", "initializer"}))
    shallow = {(it.activation, it.normalization, it.initializer) for it in found if it.depth <= 3}
    deep = {(it.activation, it.normalization, it.initializer) for it in found if it.depth > 3}
    assert shallow == {("relu", "none", "he_normal")}
    assert deep == {("silu", "batch_norm", "he_normal")}


def test_the_self_normalizing_table_has_nothing_that_changes_mean_or_variance() -> None:
    space = SHIPPED["table-selfnorm"].space
    kept = {"initializer": "lecun_normal", "activation": "selu", "normalization": "none"}
    assert {name: space.domains[name] for name in kept} == {name: Fixed(value) for name, value in kept.items()}
    assert "dropout" not in space.names()
    assert "alpha_dropout" in space.names()
    assert ACTIVATIONS["selu"].conditions


def test_a_shipped_study_with_a_reuse_trains_with_every_way_of_it() -> None:
    transfer = SHIPPED["fashion-transfer"]
    for way in ("none", "transfer", "pretrain"):
        sizes = ["depth=2", "width=16", "layers=1"] if way != "none" else ["depth=2", "width=16"]
        texts = [f"reuse={way}", *sizes, *(["source=donor"] if way == "transfer" else [])]
        texts += ["pretrain_epochs=1"] if way == "pretrain" else []
        one = override_objective(transfer, texts)
        config = one.space.sample(optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)).ask())
        curve = Curve()
        train(one, config, one_batch(), curve, epochs=1, schedule_epochs=30, seed=0, sources=donor())
        assert len(curve.rows) == 1
