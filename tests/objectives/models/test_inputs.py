"""What a network does with its inputs before its first stage's own layers."""

from typing import Any

import pytest
import torch
from torch import nn

from objectives.base.errors import ObjectiveError
from objectives.models.catalogue import MODELS
from tests.objectives.models.made import network

SHAPE = (2, 8, 6)
EPS = 1e-5


def _inputs_of_the_first_layer(made: nn.Module, x_BCHW: torch.Tensor) -> torch.Tensor:
    """What the first layer with weights is given."""
    seen: list[torch.Tensor] = []
    first = next(module for module in made.modules() if isinstance(module, nn.Linear | nn.Conv2d | nn.RNNBase))
    handle = first.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    made(x_BCHW)
    handle.remove()
    return seen[0]


def _prepared(model: str, x_BCHW: torch.Tensor) -> torch.Tensor:
    prepared: torch.Tensor = network(model, SHAPE).prepare(x_BCHW)
    return prepared


@pytest.mark.parametrize("model", MODELS)
def test_input_dropout_drops_inputs_alone_and_scales_the_others(model: str) -> None:
    """Each input with its probability, the others divided by 1 - p; hidden layers have a rate of their own, here 0."""
    made, x_BCHW = network(model, SHAPE, input_dropout=0.4), torch.randn(50, *SHAPE)
    given, plain = _inputs_of_the_first_layer(made, x_BCHW), _prepared(model, x_BCHW)
    dropped = given == 0
    assert dropped.float().mean().item() == pytest.approx(0.4, abs=0.03)
    torch.testing.assert_close(given, torch.where(dropped, 0.0, plain / 0.6))
    assert [module.p for module in made.modules() if isinstance(module, nn.Dropout)] == [0.4]
    assert torch.equal(_inputs_of_the_first_layer(made.eval(), x_BCHW), plain)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("norm", ["batch_norm", "layer_norm"])
def test_inputs_are_normalized_by_the_formula(model: str, norm: str) -> None:
    """A pixel, a channel, or a place in a row over the batch; or an image, or a row, alone."""
    made, x_BCHW = network(model, SHAPE, input_norm=norm), torch.randn(50, *SHAPE) * 3 + 7
    x = _prepared(model, x_BCHW).double()
    over = {"mlp": (0,), "cnn": (0, 2, 3), "resnet": (0, 2, 3), "rnn": (0, 1)}[model]
    if norm == "layer_norm":
        over = {"mlp": (1,), "cnn": (1, 2, 3), "resnet": (1, 2, 3), "rnn": (2,)}[model]
    expected = (x - x.mean(over, keepdim=True)) / (x.var(over, unbiased=False, keepdim=True) + EPS).sqrt()
    torch.testing.assert_close(_inputs_of_the_first_layer(made, x_BCHW).double(), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("model", MODELS)
def test_other_layers_keep_their_names(model: str) -> None:
    """So that reuse finds them; what is in front belongs to the first stage, which is copied and frozen with it."""
    options: dict[str, Any] = {"input_norm": "batch_norm", "input_dropout": 0.1}
    plain, with_parts = network(model, SHAPE).state_dict(), network(model, SHAPE, **options).state_dict()
    added = with_parts.keys() - plain.keys()
    assert plain.keys() < with_parts.keys()
    assert {name.rpartition(".")[0] for name in added} == {"stages.0.input_norm" + (".norm" if model == "rnn" else "")}
    assert all(torch.equal(with_parts[name], tensor) for name, tensor in plain.items())
    assert network(model, SHAPE, input_dropout=0.1).state_dict().keys() == plain.keys()


@pytest.mark.parametrize("model", MODELS)
def test_impossible_inputs_are_refused(model: str) -> None:
    with pytest.raises(ObjectiveError, match="input_norm must be one of None,batch_norm,layer_norm, but got 'group'"):
        network(model, input_norm="group")
    with pytest.raises(ObjectiveError, match=r"input_dropout must be at most 0.9999, but got 1\.0"):
        network(model, input_dropout=1.0)
