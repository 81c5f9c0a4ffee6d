"""Lookahead against its algorithm by hand, its state, and the rate of biases as a multiple."""

import pytest
import torch
from torch import nn

from objectives.optimizers.catalogue import OPTIMIZERS
from objectives.optimizers.groups import build_optimizer
from objectives.optimizers.lookahead import Lookahead
from objectives.training.step import set_rates
from spaces import Choice
from tests.objectives.optimizers.made import network, optimizer_of, save_and_load, steps


def test_slow_weights_follow_by_hand() -> None:
    """Gradient 1, rate 0.1, two steps: from 1 to 0.8, so back to 0.9; then from 0.9 to 0.7, so back to 0.8."""
    model = nn.Linear(1, 1, bias=False, dtype=torch.float64)
    model.weight.data.fill_(1.0)
    optimizer = Lookahead(optimizer_of(model, "sgd"), steps=2, share=0.5)
    seen = []
    for _ in range(5):
        model.weight.grad = torch.ones_like(model.weight)
        optimizer.step()
        seen.append(model.weight.item())
    assert seen == pytest.approx([0.9, 0.9, 0.8, 0.8, 0.7])


def test_a_share_of_one_is_the_inner_optimizer() -> None:
    one, other = network(), network()
    assert steps(one, Lookahead(optimizer_of(one, "adam"), steps=3, share=1.0), 7) == pytest.approx(
        steps(other, optimizer_of(other, "adam"), 7), rel=1e-6
    )


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("done", [1, 2, 3])
def test_restored_state_continues_bit_for_bit(name: str, done: int) -> None:
    model, other = network(), network(seed=1)
    optimizer, fresh = (Lookahead(optimizer_of(each, name), steps=2, share=0.5) for each in (model, other))
    steps(model, optimizer, done)
    save_and_load((model, optimizer), (other, fresh))
    assert steps(model, optimizer, 3) == steps(other, fresh, 3)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_biases_and_norms_have_a_rate_of_their_own(name: str) -> None:
    model = network()
    optimizer = build_optimizer(model, Choice(name, {"learning_rate": 0.1}), bias_rate=4.0)
    for rate in (0.2, torch.tensor(0.2)):
        set_rates(optimizer, rate, None)
        rates = {parameter: float(group["lr"]) for group in optimizer.param_groups for parameter in group["params"]}
        names = {key: rates[parameter] for key, parameter in model.named_parameters()}
        weights = {"1.weight", "4.weight", "6.weight"}
        assert names == pytest.approx({key: 0.2 if key in weights else 0.8 for key in names})
