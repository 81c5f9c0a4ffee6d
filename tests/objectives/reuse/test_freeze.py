"""Stages that do not learn at first."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from objectives.reuse.freeze import Freeze
from objectives.reuse.stages import freeze_stages
from objectives.training.config import TrainingConfig
from objectives.training.step import Step, set_rates
from spaces import Choice
from tests.objectives.reuse.made import digits, network, same, state


def _train(model: nn.Module, freeze: Freeze, epoch: int, rate: float = 0.1) -> None:
    """One epoch of plain gradient descent, in the order in which the training loop does things."""
    optimizer = torch.optim.SGD(model.parameters(), lr=rate * freeze.factor(epoch), weight_decay=0.1)
    model.train()
    freeze.apply(epoch)
    for x_BCHW, y_B in digits().train.batches(256, order_seed=epoch):
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(model(x_BCHW), y_B).backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def test_frozen_stages_stay_and_all_others_learn() -> None:
    model = network()
    freeze = Freeze(stages=tuple(model.stages[:2]), epochs=2, rate_factor=0.1)
    start = state(model)
    for epoch in range(2):
        _train(model, freeze, epoch)
    after = state(model)
    for name in start:
        still = name.startswith(("stages.0.", "stages.1."))  # weights, biases and batch norm statistics
        assert torch.equal(start[name], after[name]) == still, name


def test_then_everything_learns_statistics_included() -> None:
    model = network()
    freeze = Freeze(stages=tuple(model.stages), epochs=1, rate_factor=0.1)
    _train(model, freeze, 0)
    frozen = state(model)
    _train(model, freeze, 1)
    after = state(model)
    assert all(not torch.equal(frozen[name], after[name]) for name in frozen)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_a_resumed_training_finds_its_epoch() -> None:
    model = network()
    freeze = Freeze(stages=tuple(model.stages), epochs=3, rate_factor=0.1)
    freeze.apply(2)
    assert not any(parameter.requires_grad for parameter in model.stages.parameters())
    assert not any(module.training for module in model.stages.modules() if module is not model.stages)
    freeze.apply(3)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_stages_are_released_from_the_top() -> None:
    model = network()
    freeze = Freeze(stages=tuple(model.stages), epochs=1, rate_factor=0.1, every=2)
    learning = []
    for epoch in range(7):
        freeze.apply(epoch)
        learning.append([all(p.requires_grad for p in stage.parameters()) for stage in model.stages])
    none, top, two, every = [False] * 3, [False, False, True], [False, True, True], [True] * 3
    assert learning == [none, top, top, two, two, every, every]


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "muon"])
def test_the_head_learns_at_its_own_multiple_of_the_rate(optimizer: str) -> None:
    """A step from the same gradients moves the head ten times as far, and all else as far as without."""
    moved = []
    for head_rate in (1.0, 10.0):
        model = network()
        before = state(model)
        freeze = freeze_stages(model, 1, 0, 1.0, head_rate=head_rate)
        choice = Choice(optimizer, {"learning_rate": 1e-3})
        config = TrainingConfig(optimizer=choice)
        step = Step(model, config, "float32", digits().device, freeze.own_rates)
        set_rates(step.optimizer, 1e-3, None)
        step.compute_gradients(*next(digits().train.batches(64, order_seed=1)))
        step.update()
        after = state(model)
        moved.append({name: after[name] - before[name] for name in dict(model.named_parameters())})
    for name, plain in moved[0].items():
        factor = 10.0 if name.startswith("output.") else 1.0
        torch.testing.assert_close(moved[1][name], factor * plain, atol=2e-7, rtol=1e-4)


@pytest.mark.parametrize(
    ("epochs", "factors"),
    [(0, [0.25, 0.25, 0.25]), (1, [1.0, 0.25, 0.25]), (2, [1.0, 1.0, 0.25]), (3, [1.0, 1.0, 1.0])],
)
def test_the_factor_is_that_of_the_table(epochs: int, factors: list[float]) -> None:
    freeze = Freeze(stages=(), epochs=epochs, rate_factor=0.25)
    assert [freeze.factor(epoch) for epoch in range(3)] == factors


def test_the_lower_rate_moves_weights_less() -> None:
    moved = []
    for factor in (1.0, 0.01):
        model = network()
        before = state(model)
        _train(model, Freeze(stages=tuple(model.stages), epochs=0, rate_factor=factor), 0)
        moved.append((state(model)["stages.0.0.weight"] - before["stages.0.0.weight"]).norm().item())
    assert moved[1] < 0.05 * moved[0]


def test_same_tells_states_apart() -> None:
    assert same(state(network()), state(network()))
    assert not same(state(network()), state(network(seed=1)))
