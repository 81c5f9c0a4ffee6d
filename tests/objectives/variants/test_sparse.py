"""l1 makes networks that survive pruning: more of their weights may be set to zero than after l2."""

from functools import cache

import pytest
import torch
from torch import nn

from objectives.optimizers.groups import trainable_weights
from objectives.training.evaluation import evaluate
from objectives.variants.pruning import measure_sparsity, prune_unstructured
from spaces import Choice
from tests.objectives.training.made import CONFIG, digits, trained

ADAM = CONFIG.replace(optimizer=Choice("adam", {"learning_rate": 3e-3}))
# As strong as leaves both networks with equal accuracies, of about 0.965.
PENALTIES = {"l1": 2e-3, "l2": 1e-2}


@cache
def _trained(penalty: str) -> nn.Module:
    return trained(config=ADAM.replace(**{penalty: PENALTIES[penalty]}), epochs=15)[0]


def _accuracy(model: nn.Module) -> float:
    return evaluate(model, digits().validation, "float32")["accuracy"]


def _zeros_that_cost_a_point(model: nn.Module) -> float:
    """The largest share of zeros by pruning, in steps of 0.02, that costs at most a point of accuracy."""
    whole = _accuracy(model)
    amounts = [step / 50 for step in range(1, 50)]
    pruned = {amount: prune_unstructured(model, amount) for amount in amounts}
    return max(measure_sparsity(network) for network in pruned.values() if _accuracy(network) >= whole - 0.01)


def test_both_learn() -> None:
    assert [_accuracy(_trained(penalty)) for penalty in PENALTIES] == pytest.approx([0.96, 0.96], abs=0.025)


def test_more_weights_may_be_zero_after_l1_than_after_l2() -> None:
    after = {penalty: _zeros_that_cost_a_point(_trained(penalty)) for penalty in PENALTIES}
    assert after["l1"] > after["l2"] + 0.05


def test_more_weights_are_as_good_as_zero_after_l1_than_after_l2() -> None:
    shares = {}
    for penalty in PENALTIES:
        values = torch.cat([weight.detach().abs().flatten() for weight in trainable_weights(_trained(penalty))])
        shares[penalty] = (values < 0.01 * values.max()).float().mean().item()
    assert shares["l1"] > shares["l2"] + 0.2
