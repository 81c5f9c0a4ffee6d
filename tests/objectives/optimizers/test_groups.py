"""Which parameters are weights, and that the optimizer has them all."""

import pytest
import torch
from torch import nn

from objectives.models.catalogue import MODELS
from objectives.optimizers.catalogue import OPTIMIZERS
from objectives.optimizers.decoupled_sgd import DECAY
from objectives.optimizers.groups import trainable_weights
from tests.objectives.optimizers.made import linear, network, optimizer_of, steps


class Mixed(nn.Module):
    """Weights, and much that is none."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3)
        self.norm = nn.LayerNorm((4, 2, 2))
        self.recurrent = nn.GRU(16, 5)
        self.slope = nn.PReLU(5)
        self.bias = nn.Parameter(torch.zeros(2, 5))
        self.output = nn.Linear(5, 2)
        self.tied = nn.Linear(5, 2, bias=False)
        self.tied.weight = self.output.weight


def _names(model: nn.Module, parameters: list[nn.Parameter]) -> list[str]:
    known = {parameter: name for name, parameter in model.named_parameters()}
    return [known[parameter] for parameter in parameters]


def test_weights_are_no_biases_norms_or_slopes_and_come_once() -> None:
    model = Mixed()
    assert _names(model, trainable_weights(model)) == [
        *("convolution.weight", "recurrent.weight_ih_l0", "recurrent.weight_hh_l0", "output.weight")
    ]


def test_frozen_weights_are_not_among_them() -> None:
    model = network()
    linear(model, 1).weight.requires_grad_(False)
    assert _names(model, trainable_weights(model)) == ["4.weight", "6.weight"]
    linear(model, 1).weight.requires_grad_(True)
    assert _names(model, trainable_weights(model)) == ["1.weight", "4.weight", "6.weight"]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_parameter_is_held_once_frozen_ones_as_well(name: str) -> None:
    model = Mixed()
    model.convolution.requires_grad_(False)
    held = [p for group in optimizer_of(model, name).param_groups for p in group["params"]]
    assert sorted(_names(model, held)) == sorted(name for name, _ in model.named_parameters())


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_frozen_parameters_stay_and_move_once_they_learn(name: str) -> None:
    model = network()
    before = linear(model, 1).weight.detach().clone()
    linear(model, 1).requires_grad_(False)
    optimizer = optimizer_of(model, name)
    steps(model, optimizer, 2)
    assert torch.equal(linear(model, 1).weight, before)
    linear(model, 1).requires_grad_(True)
    steps(model, optimizer, 1)
    assert not torch.equal(linear(model, 1).weight, before)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_only_weights_decay_and_only_where_the_entry_says_so(name: str) -> None:
    model = network()
    decays = OPTIMIZERS[name].decays_weights
    optimizer = optimizer_of(model, name, **({"weight_decay": 0.1} if decays else {}))
    decaying = [
        parameter
        for group in optimizer.param_groups
        for parameter in group["params"]
        if group.get("weight_decay", 0) > 0 or group.get(DECAY, 0) > 0
    ]
    expected = ["1.weight", "4.weight", "6.weight"] if decays else []
    assert sorted(_names(model, decaying)) == expected


def test_shipped_networks_have_weights_of_every_layer() -> None:
    for entry in MODELS.values():
        model = entry.build(entry.config(depth=2, width=4), (1, 8, 8), 10)
        owners = [m for m in model.modules() if isinstance(m, nn.Linear | nn.Conv2d | nn.RNNBase)]
        recurrent = sum(isinstance(owner, nn.RNNBase) for owner in owners)
        assert len(trainable_weights(model)) == len(owners) + recurrent
