"""The multilayer perceptron: its layers, and which of them drop units."""

from typing import Any

import pytest
from torch import nn

from spaces import Choice
from tests.objectives.models.made import layers, network


def _kinds(stage: nn.Module) -> list[str]:
    return [type(layer).__name__ for layer in layers(stage)]


def test_layers() -> None:
    made = network(
        "mlp", depth=2, normalization="batch_norm", dropout=0.1, activation=Choice("leaky_relu", {"slope": 0.2})
    )
    assert [_kinds(stage) for stage in made.stages] == [["Linear", "BatchNorm1d", "LeakyReLU", "Dropout"]] * 2
    assert layers(made.stages[0])[0].weight.shape == (8, 64)
    assert layers(made.stages[1])[0].weight.shape == (8, 8)
    assert layers(made.stages[0])[2].negative_slope == 0.2
    assert made.output.weight.shape == (10, 8)


def test_layers_with_the_norm_after_the_activation() -> None:
    made = network("mlp", normalization=Choice("layer_norm", {"position": "after"}), dropout=0.1)
    assert [_kinds(stage) for stage in made.stages] == [["Linear", "ReLU", "LayerNorm", "Dropout"]] * 3


def test_gated_layers_are_twice_as_wide_and_hand_on_half() -> None:
    made = network("mlp", activation="swiglu", normalization="batch_norm")
    assert _kinds(made.stages[1]) == ["Linear", "BatchNorm1d", "SwiGlu"]
    assert layers(made.stages[1])[0].weight.shape == (16, 8)
    assert layers(made.stages[1])[1].num_features == 16
    after = network("mlp", activation="swiglu", normalization=Choice("batch_norm", {"position": "after"}))
    assert _kinds(after.stages[1]) == ["Linear", "SwiGlu", "BatchNorm1d"]
    assert layers(after.stages[1])[2].num_features == 8


@pytest.mark.parametrize(("field", "kind"), [("dropout", nn.Dropout), ("alpha_dropout", nn.AlphaDropout)])
@pytest.mark.parametrize(
    ("top", "dropped"),
    [
        (0, [True, True, True, True]),
        (1, [False, False, False, True]),
        (3, [False, True, True, True]),
        (4, [True, True, True, True]),
        (9, [True, True, True, True]),
    ],
)
def test_dropout_in_the_top_layers_only(field: str, kind: type[nn.Module], top: int, dropped: list[bool]) -> None:
    dropout: dict[str, Any] = {field: 0.25}
    made = network("mlp", depth=4, activation="selu", dropout_layers=top, **dropout)
    assert [type(layers(stage)[-1]) is kind for stage in made.stages] == dropped
    assert [len(layers(stage)) for stage in made.stages] == [3 if drops else 2 for drops in dropped]
    assert {module.p for module in made.modules() if isinstance(module, kind)} == {0.25}
