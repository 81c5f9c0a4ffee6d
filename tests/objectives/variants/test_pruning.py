"""Pruning: how many weights go, which ones, and what stays."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from objectives.base.errors import ObjectiveError
from objectives.variants.pruning import measure_sparsity, prune_structured, prune_unstructured
from tests.objectives.variants.made import convolutional, dense, states_equal


def weights(model: nn.Module) -> torch.Tensor:
    """All weights in one row."""
    return torch.cat([p.detach().reshape(-1) for p in model.parameters() if p.ndim >= 2])


@pytest.mark.parametrize("build", [dense, convolutional])
@pytest.mark.parametrize("amount", [0.0, 0.25, 0.8])
def test_the_share_is_exact_and_the_smallest_go(build: Callable[[], nn.Module], amount: float) -> None:
    model = build()
    pruned = prune_unstructured(model, amount)
    total = len(weights(model))
    assert measure_sparsity(pruned) == round(amount * total) / total
    named = dict(pruned.named_parameters())
    before = torch.cat([p.detach().reshape(-1) for p in model.parameters() if p.ndim >= 2])
    after = torch.cat([named[name].detach().reshape(-1) for name, p in model.named_parameters() if p.ndim >= 2])
    gone = after == 0
    assert torch.equal(after[~gone], before[~gone])
    if amount:
        assert before[gone].abs().max() <= before[~gone].abs().min()


def test_layers_are_compared_with_one_another() -> None:
    small, large = nn.Linear(4, 4), nn.Linear(4, 4)
    nn.init.constant_(small.weight, 0.1)
    nn.init.constant_(large.weight, -0.2)
    pruned = prune_unstructured(nn.Sequential(small, large), 0.5)
    assert measure_sparsity(pruned.get_submodule("0")) == 1.0
    assert measure_sparsity(pruned.get_submodule("1")) == 0.0


@pytest.mark.parametrize("prune", [prune_unstructured, prune_structured])
def test_biases_and_norms_stay_and_masks_are_permanent(prune: Callable[[nn.Module, float], nn.Module]) -> None:
    model = dense()
    pruned = prune(model, 0.5)
    assert pruned.state_dict().keys() == model.state_dict().keys()  # no weight_orig, no weight_mask
    for name, tensor in model.state_dict().items():
        if tensor.ndim < 2:
            assert torch.equal(pruned.state_dict()[name], tensor)
    assert not any(module._forward_pre_hooks for module in pruned.modules())
    assert states_equal(model, dense())


def test_whole_units_with_the_smallest_norms_go() -> None:
    model = convolutional()
    pruned = prune_structured(model, 0.25)
    for name, gone in (("0.0.weight", 2), ("1.0.weight", 3)):
        before, after = model.get_parameter(name), pruned.get_parameter(name)
        norms = before.detach().flatten(1).norm(dim=1)
        zero = (after == 0).flatten(1).all(dim=1)
        assert zero.nonzero().flatten().tolist() == sorted(norms.argsort()[:gone].tolist())
        assert torch.equal(after[~zero], before[~zero])
    assert torch.equal(pruned.get_parameter("4.weight"), model.get_parameter("4.weight"))


def test_the_output_keeps_its_classes_wherever_it_is_defined() -> None:
    class Upside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.output = nn.Linear(6, 3)
            self.hidden = nn.Linear(4, 6)

    pruned = prune_structured(Upside(), 0.5)
    assert measure_sparsity(pruned.get_submodule("output")) == 0.0
    assert measure_sparsity(pruned.get_submodule("hidden")) == 0.5


def test_no_layer_loses_all_its_units() -> None:
    pruned = prune_structured(nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 2)), 0.9999)
    assert (pruned.get_parameter("0.weight") != 0).any(dim=1).sum() == 1


def test_shared_weights_count_once_and_stay_shared() -> None:
    first, second, large = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)
    second.weight = first.weight
    nn.init.constant_(large.weight, 10)
    pruned = prune_unstructured(nn.Sequential(first, second, large), 0.25)
    weight = pruned.get_parameter("0.weight")
    assert weight is pruned.get_parameter("1.weight")
    assert int((weight == 0).sum()) == 8  # a quarter of 32, not of 48 in pairs
    assert measure_sparsity(pruned) == 0.25


def test_recurrent_weights_are_pruned_in_what_they_compute() -> None:
    model = nn.Sequential(nn.GRU(4, 5, batch_first=True))
    pruned = prune_unstructured(model, 0.9)
    fresh = nn.Sequential(nn.GRU(4, 5, batch_first=True))
    fresh.load_state_dict(pruned.state_dict())
    x_BTF = torch.randn(2, 3, 4)
    assert torch.equal(pruned(x_BTF)[0], fresh(x_BTF)[0])
    assert not torch.equal(pruned(x_BTF)[0], model(x_BTF)[0])


def test_what_has_nothing_to_prune_is_refused() -> None:
    with pytest.raises(ObjectiveError, match="needs a network with weights"):
        prune_unstructured(nn.ReLU(), 0.5)
    with pytest.raises(ObjectiveError, match="besides the output layer"):
        prune_structured(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), 0.5)
    assert measure_sparsity(nn.ReLU()) == 0.0
