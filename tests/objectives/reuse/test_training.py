"""Reuse in a whole training run, with every network."""

from __future__ import annotations

import io
from typing import Any

import pytest
import torch
from torch import nn

from objectives.base.errors import ObjectiveError
from objectives.core.objective import Objective
from objectives.core.run import train
from objectives.models.catalogue import MODELS
from objectives.models.network import Network
from objectives.reuse.catalogue import REUSES
from objectives.reuse.context import Source
from spaces import Choice, Configuration, Fixed, Space
from tests.objectives.reuse.made import digits, named, same, source, state, weights_file
from tests.objectives.training.made import Curve, StoppingCallback

WAYS = [name for name in REUSES if name != "none"]


def _trained(
    model: str, reuse: Choice | str, *sources: Source, epochs: int = 2, seed: int = 7
) -> tuple[Network, Curve]:
    objective = Objective(data="digits", model=model, space=Space(depth=Fixed(3), width=Fixed(8)))
    config = {"depth": 3, "width": 8, "learning_rate": 1e-3, "batch_size": 10, "reuse": reuse}
    curve, given = Curve(), named(*sources)
    data = digits(40)
    found = train(objective, Configuration(config), data, curve, epochs=epochs, seed=seed, sources=given)
    assert isinstance(found, Network)
    return found, curve


def _choice(name: str, **options: Any) -> Choice:
    own = {"transfer": {"source": "digits-eight"}, "file": {"file": "donor.safetensors"}}
    return Choice(name, {**own.get(name, {"pretrain_epochs": 1}), "layers": 2, **options})


@pytest.mark.parametrize("model", MODELS)
def test_transferred_stages_are_the_sources_until_they_may_learn(model: str) -> None:
    donor, _ = _trained(model, "none", epochs=1, seed=1)
    given = source(donor)
    frozen, _ = _trained(model, _choice("transfer", freeze_epochs=2), given)
    for index, (stage, other) in enumerate(zip(frozen.stages, donor.stages, strict=True)):
        assert same(state(stage), state(other)) == (index < 2)
    free, _ = _trained(model, _choice("transfer", freeze_epochs=0), given)
    assert not any(same(state(s), state(d)) for s, d in zip(free.stages, donor.stages, strict=True))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", ["pretrain", "auxiliary"])
def test_every_network_learns_from_unlabelled_images(name: str, model: str) -> None:
    from_chance, _ = _trained(model, "none")
    reused, _ = _trained(model, _choice(name, freeze_epochs=2))
    assert not same(state(from_chance.stages[0]), state(reused.stages[0]))


@pytest.mark.parametrize("name", WAYS)
def test_the_same_seed_gives_the_same_curve(name: str) -> None:
    donor, _ = _trained("mlp", "none", epochs=1, seed=1)

    def run(seed: int) -> tuple[dict[str, Any], list[float]]:
        model, curve = _trained("mlp", _choice(name, freeze_epochs=1), source(donor), weights_file(donor), seed=seed)
        return state(model), curve.of("loss")

    first, second, other = run(7), run(7), run(8)
    assert same(first[0], second[0])
    assert first[1] == second[1]
    assert first[1] != other[1]


def test_the_learning_rate_falls_when_the_stages_are_unfrozen() -> None:
    """With a factor that stops everything, nothing moves after the freeze."""
    donor, _ = _trained("mlp", "none", epochs=1, seed=1)
    options = {"freeze_epochs": 1, "unfreeze_factor": 1e-6}
    _, curve = _trained("mlp", _choice("transfer", **options), source(donor), epochs=3)
    losses = curve.of("loss")
    assert losses[2] == pytest.approx(losses[0], abs=1e-4)
    _, free = _trained("mlp", _choice("transfer", freeze_epochs=1, unfreeze_factor=1.0), source(donor), epochs=3)
    assert free.of("loss")[0] == losses[0]
    assert abs(free.of("loss")[2] - losses[0]) > 1e-2


SCHEDULES_TRIED = ["constant", Choice("plateau", {"patience": 1, "factor": 0.5, "threshold": 0.1}), "cosine"]


@pytest.mark.parametrize("schedule", SCHEDULES_TRIED, ids=["constant", "plateau", "cosine"])
@pytest.mark.parametrize("model", ["mlp", "rnn"])
def test_reported_learning_rate_is_the_optimizers(model: str, schedule: Choice | str) -> None:
    """The state of every epoch has the rates of its last step."""
    callback, data = StoppingCallback(every_epoch=True), digits(40)
    objective = Objective(data="digits", model=model, space=Space(depth=Fixed(3), width=Fixed(8)))
    reuse = _choice("pretrain", freeze_epochs=2, unfreeze_factor=0.25)
    values = {"depth": 3, "width": 8, "optimizer": Choice("muon", {"learning_rate": 0.01}), "batch_size": 10}
    config, curve = Configuration({**values, "schedule": schedule, "reuse": reuse}), Curve()
    train(objective, config, data, curve, epochs=6, seed=7, callback=callback)
    for (_, packed), row in zip(callback.states, curve.rows, strict=False):
        groups = torch.load(io.BytesIO(packed), weights_only=True)["optimizer"]["param_groups"]
        used = {group["lr"] for group in groups}
        assert len(groups) > 1
        if schedule == "cosine":
            assert row["learning_rate_end"] < min(used) <= max(used) <= row["learning_rate"]
        else:
            assert used == {row["learning_rate"]} == {row["learning_rate_end"]}
    assert [epoch for epoch, _ in callback.states] == [1, 2, 3, 4, 5]
    assert curve.of("learning_rate")[:2] == pytest.approx([0.01, 0.01 if schedule != "cosine" else 0.00933], rel=1e-3)
    assert curve.of("learning_rate")[2] <= 0.0025


def test_recorded_losses_repeat_a_training_with_its_factor_once() -> None:
    """As the final retraining does: the factor is neither forgotten nor applied twice."""
    schedule = Choice("plateau", {"patience": 1, "factor": 0.5, "threshold": 0.1})
    objective = Objective(data="digits", model="mlp", space=Space(depth=Fixed(3), width=Fixed(8)))
    values = {"depth": 3, "width": 8, "learning_rate": 0.01, "batch_size": 10, "schedule": schedule}
    config = Configuration({**values, "reuse": _choice("auxiliary", freeze_epochs=1, unfreeze_factor=0.25)})

    def run(recorded_losses: list[float] | None) -> tuple[dict[str, Any], Curve]:
        curve = Curve()
        model = train(objective, config, digits(40), curve, epochs=5, seed=7, recorded_losses=recorded_losses)
        return state(model), curve

    first, curve = run(None)
    again, repeated = run(curve.of("loss"))
    assert same(first, again)
    assert repeated.of("learning_rate") == curve.of("learning_rate")
    assert curve.of("learning_rate")[4] < curve.of("learning_rate")[1] == 0.0025


def test_a_users_network_cannot_reuse() -> None:
    objective = Objective(
        data="digits",
        build_model=lambda config: nn.Sequential(nn.Flatten(), nn.Linear(64, 10)),
        space=Space(learning_rate=Fixed(0.1)),
    )
    config = Configuration({"learning_rate": 0.1, "reuse": Choice("pretrain")})
    with pytest.raises(ObjectiveError, match="only a network of MODELS has stages to reuse"):
        train(objective, config, digits(), Curve(), epochs=1, seed=1)
