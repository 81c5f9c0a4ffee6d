"""Lazy layers and extra state, which only networks of a user's own have."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from objectives import Objective, ObjectiveError
from objectives.core.run import build_network
from objectives.models.weights import load_packed, pack_weights
from objectives.optimizers.groups import build_optimizer
from spaces import Choice, Configuration, Float, Space


class Stateful(nn.Module):
    """A linear layer with extra state."""

    def __init__(self, state: object = None) -> None:
        super().__init__()
        self.linear, self.state = nn.Linear(16, 2), state

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        return self.linear(x.flatten(1))  # type: ignore[no-any-return]

    def get_extra_state(self) -> Any:
        """Return the state."""
        return self.state

    def set_extra_state(self, state: Any) -> None:
        """Keep the state."""
        self.state = state


def build(network: nn.Module) -> nn.Module:
    objective = Objective(data="digits", build_model=lambda config: network, space=Space(learning_rate=Float(0, 1)))
    return build_network(objective, Configuration({"image_shape": (1, 4, 4), "classes": 2}))


@pytest.mark.parametrize("name", ["adamw", "muon"])
def test_weights_of_lazy_layers_decay_as_those_of_others(name: str) -> None:
    lazy = [nn.LazyConv2d(3, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(2)]
    eager = [nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 2)]
    choice = Choice(name, {"learning_rate": 0.001, "weight_decay": 0.1})
    decaying = []
    for layers in (lazy, eager):
        network = build(nn.Sequential(*layers))
        assert network.training
        groups = build_optimizer(network, choice).param_groups
        decaying.append([[p.shape for p in group["params"]] for group in groups if group.get("weight_decay")])
    assert decaying[0] == decaying[1]
    assert sum(map(len, decaying[0])) == 3
    assert not lazy[1].running_mean.any()  # the look at the images counted nowhere
    with pytest.raises(ObjectiveError, match="lazy layers without parameters"):
        build_optimizer(nn.Sequential(nn.LazyLinear(2)), choice)


@pytest.mark.parametrize("state", [{"version": 1}, [1.5, "a"], torch.ones(2), None])
def test_extra_state_of_plain_types_is_packed_and_loaded(state: object) -> None:
    network, other = build(Stateful(state)), Stateful({"version": 0} if state is not None else None)
    packed, sha256 = pack_weights(network)
    assert pack_weights(network)[1] == sha256
    if isinstance(state, Tensor):
        other.state = torch.zeros(2)
    load_packed(packed, other)
    assert str(other.state) == str(state)
    assert torch.equal(other.linear.weight, network.linear.weight)  # type: ignore[union-attr, arg-type]


def test_extra_state_that_a_checkpoint_cannot_hold_is_refused() -> None:
    with pytest.raises(ObjectiveError, match="get_extra_state of 0 returns a Stateful that a checkpoint cannot hold"):
        build(nn.Sequential(Stateful(Stateful())))
