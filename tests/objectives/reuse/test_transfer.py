"""Stages copied from the network of another study."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from safetensors.torch import save
from torch import nn

from objectives.base.errors import ObjectiveError
from objectives.models.catalogue import MODELS
from objectives.models.network import Network
from objectives.models.whitening import whiten_patches
from objectives.reuse.trained_network import TrainedNetwork
from tests.objectives.reuse.made import built, network, reusing, same, source, state


def _trained(**sizes: Any) -> Network:
    """Return a network whose batch norm statistics are not the initial ones."""
    model = network(seed=1, **sizes)
    model(torch.randn(64, 1, 8, 8))
    return model


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_the_lowest_stages_are_the_sources_and_the_rest_is_new(layers: int) -> None:
    trained, model = _trained(classes=8), network(classes=2)
    new = state(model)
    freeze = built("transfer", model, reusing(source(trained)), source="digits-eight", layers=layers)
    for index, (stage, other) in enumerate(zip(model.stages, trained.stages, strict=True)):
        assert same(state(stage), state(other)) == (index < layers)
    after = state(model)
    reused = tuple(f"stages.{index}." for index in range(layers))
    rest = [name for name in new if not name.startswith(reused)]
    assert all(torch.equal(new[name], after[name]) for name in rest)
    assert freeze.stages == tuple(model.stages[:layers])


def test_a_depth_of_its_own_and_the_numbers_of_the_freeze() -> None:
    trained, model = _trained(stages=4), network(stages=2)
    freeze = built(
        "transfer",
        model,
        reusing(source(trained)),
        source="digits-eight",
        layers=2,
        freeze_epochs=3,
        unfreeze_factor=0.5,
    )
    assert (freeze.epochs, freeze.rate_factor) == (3, 0.5)
    assert same(state(model.stages[1]), state(trained.stages[1]))


def test_stages_are_counted_as_numbers() -> None:
    """Of twelve stages the third is 2, not 10."""
    trained = network(stages=12)
    stages = source(trained).load_stages()
    assert len(stages) == 12
    assert all(same(found, state(stage)) for found, stage in zip(stages, trained.stages, strict=True))


@pytest.mark.parametrize(
    ("sizes", "changes", "options", "sentence"),
    [
        ({"stages": 2}, {}, {"layers": 3}, r"layers=3 .*network that has 2; use --set layers=2"),
        ({}, {}, {"layers": 4}, r"layers=4 .*network that has 3"),
        ({"stages": 6}, {}, {"layers": 5}, r"layers=5 .*source 'digits-eight', which has 3; use --set layers=3"),
        (
            {"width": 16},
            {},
            {},
            r"'0.weight' of stage 0 is 32x64 in source 'digits-eight', but 16x64 in.*--set width=32",
        ),
        ({"norm": False}, {}, {}, r"'1.bias' of stage 0 is 32 .* but absent in.*--set normalization=batch_norm"),
        ({}, {"image_shape": (1, 28, 28)}, {}, r"'digits-eight' was trained on images of 1x28x28.*1x8x8"),
        ({}, {}, {"source": "digits-nine"}, r"no study 'digits-nine' has a network.*digits-eight.*--set source="),
        ({}, {"weights": save({"a": torch.ones(1)})}, {}, r"'digits-eight', which has 0; take another source"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_copied(
    sizes: dict[str, Any], changes: dict[str, Any], options: dict[str, Any], sentence: str
) -> None:
    model = network(**sizes)
    before = state(model)
    given: TrainedNetwork = source(_trained(), **changes)
    with pytest.raises(ObjectiveError, match=sentence):
        built("transfer", model, reusing(given), **{"source": "digits-eight", **options})
    assert same(state(model), before)


def test_a_form_that_differs_above_leaves_the_stages_below_alone() -> None:
    model = network()
    model.stages[2] = nn.Sequential(nn.Linear(32, 8), nn.BatchNorm1d(8))
    before = state(model)
    with pytest.raises(ObjectiveError, match="of stage 2 is"):
        built("transfer", model, reusing(source(_trained())), source="digits-eight", layers=3)
    assert same(state(model), before)


@pytest.mark.parametrize("name", ["transfer", "pretrain", "auxiliary"])
def test_a_users_network_has_no_stages(name: str) -> None:
    with pytest.raises(ObjectiveError, match=r"only a network of MODELS has stages.*builds a Sequential"):
        built(name, nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), reusing())


@pytest.mark.parametrize("model", ["cnn", "mlp"])
def test_what_is_in_front_of_the_first_stage_comes_and_freezes_with_it(model: str) -> None:
    """The filters that whiten and the statistics of inputs are those that the source's stages were trained with."""
    options: dict[str, Any] = {"whitening": 2} if model == "cnn" else {"input_norm": "batch_norm"}
    entry = MODELS[model]
    trained, new = (entry.build(entry.config(depth=3, width=8, **options), (1, 8, 8), 10) for _ in range(2))
    x_BCHW = torch.randn(64, 1, 8, 8) * 3 + 1
    whiten_patches(trained, lambda: [x_BCHW])
    trained(x_BCHW)  # for statistics that are not the initial ones
    name = "whitening.weight" if model == "cnn" else "input_norm.running_mean"
    assert not torch.equal(state(new.stages[0])[name], state(trained.stages[0])[name])
    freeze = built("transfer", new, reusing(source(trained)), source="digits-eight", layers=1)
    assert same(state(new.stages[0]), state(trained.stages[0]))
    freeze.apply(0)
    frozen = state(new.stages[0])
    new.stages[0](new.prepare(x_BCHW + 5))
    assert same(state(new.stages[0]), frozen)
    assert not any(parameter.requires_grad for parameter in new.stages[0].parameters())
