"""Activations against their formulas in double precision."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import nn

from objectives.core.errors import ObjectiveError
from objectives.models.activations import ACTIVATIONS
from objectives.models.catalogue import MODELS
from objectives.models.layers import activation, slope
from spaces import Choice

POINTS = [-30.0, -5.0, -1.5, -1.0, -0.3, -1e-4, 0.0, 1e-4, 0.3, 1.0, 1.5, 5.0, 30.0]

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805  # Klambauer et al. 2017, equation 14


def _elu(x: float, alpha: float) -> float:
    return x if x > 0 else alpha * math.expm1(x)


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


FORMULAS: dict[str, tuple[Choice, Callable[[float], float]]] = {
    "relu": (Choice("relu"), lambda x: max(0.0, x)),
    "leaky_relu": (Choice("leaky_relu", {"slope": 0.2}), lambda x: x if x > 0 else 0.2 * x),
    "elu": (Choice("elu", {"alpha": 0.7}), lambda x: _elu(x, 0.7)),
    "selu": (Choice("selu"), lambda x: SELU_SCALE * _elu(x, SELU_ALPHA)),
    "gelu": (Choice("gelu"), lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2),
    "silu": (Choice("silu"), lambda x: x * _sigmoid(x)),
    "tanh": (Choice("tanh"), math.tanh),
    "sigmoid": (Choice("sigmoid"), _sigmoid),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_formula(name: str) -> None:
    choice, formula = FORMULAS[name]
    got = activation(choice)(torch.tensor(POINTS, dtype=torch.float64)).tolist()
    assert got == pytest.approx([formula(x) for x in POINTS], abs=1e-6)
    got = activation(choice)(torch.tensor(POINTS)).tolist()
    assert got == pytest.approx([formula(x) for x in POINTS], rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_bare_name_has_the_default_options(name: str) -> None:
    assert isinstance(activation(name), nn.Module)
    assert repr(activation(name)) == repr(activation(Choice(name)))


def test_unknown_name_or_option_is_refused() -> None:
    with pytest.raises(ObjectiveError, match="unknown activation 'rleu'; did you mean relu"):
        activation("rleu")
    with pytest.raises(ObjectiveError, match="activation 'relu' has no option 'slope'"):
        activation(Choice("relu", {"slope": 0.1}))


def test_slope_is_that_of_leaky_activations() -> None:
    assert slope("relu") == slope(Choice("gelu")) == 0.0
    assert slope("leaky_relu") == slope(Choice("leaky_relu")) == 0.01
    assert slope(Choice("leaky_relu", {"slope": 0.2})) == 0.2


def test_adding_one_is_one_edit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A class of torch's own will do as a builder."""
    entry = replace(ACTIVATIONS["relu"], build=nn.Hardswish, description="x relu6(x + 3) / 6")
    monkeypatch.setitem(ACTIVATIONS, "hardswish", entry)
    config = MODELS["mlp"].config(depth=2, width=4, activation="hardswish")
    network = MODELS["mlp"].build(config, (1, 2, 2), 3)
    assert sum(isinstance(module, nn.Hardswish) for module in network.modules()) == 2
