"""Muon for the hidden matrices and kernels, AdamW for everything else."""

import copy
import math

import pytest
import torch
from torch import Tensor, nn

from objectives.models.cnn import build_cnn
from objectives.models.config import CnnConfig, RnnConfig
from objectives.models.resnet import build_resnet
from objectives.models.rnn import build_rnn
from objectives.optimizers.optimizer_pair import OptimizerPair
from tests.objectives.optimizers.made import RATE, linear, loss_of, network, optimizer_of, steps


def _moved_by_muon(model: nn.Module) -> list[str]:
    """The parameters that move otherwise than with AdamW of the same options, over two steps."""
    other = copy.deepcopy(model)
    pair, adamw = (optimizer_of(m, n, weight_decay=0.1) for m, n in ((model, "muon"), (other, "adamw")))
    torch.manual_seed(3)
    for _ in range(2):
        for p, q in zip(model.parameters(), other.parameters(), strict=True):
            p.grad = torch.randn_like(p)
            q.grad = p.grad.clone()
        pair.step()
        adamw.step()
    named = zip(model.named_parameters(), other.parameters(), strict=True)
    return [name for (name, p), q in named if not torch.equal(p, q)]


def test_muon_moves_the_hidden_matrices_alone() -> None:
    assert _moved_by_muon(network()) == ["4.weight"]


def test_both_directions_of_the_first_recurrent_layer_are_input() -> None:
    config = RnnConfig(depth=2, width=4, cell="lstm", bidirectional=True)
    assert _moved_by_muon(build_rnn(config, (1, 8, 8), 10)) == [
        *("stages.0.0.layer.weight_hh_l0", "stages.0.0.layer.weight_hh_l0_reverse"),
        *("stages.1.0.layer.weight_ih_l0", "stages.1.0.layer.weight_hh_l0"),
        *("stages.1.0.layer.weight_ih_l0_reverse", "stages.1.0.layer.weight_hh_l0_reverse"),
    ]


def test_all_convolutions_but_the_first_are_hidden() -> None:
    assert _moved_by_muon(build_cnn(CnnConfig(depth=3, width=4), (1, 8, 8), 10)) == [
        "stages.1.0.weight",
        "stages.2.0.weight",
    ]


def test_projections_of_residual_blocks_are_hidden_kernels() -> None:
    assert _moved_by_muon(build_resnet(CnnConfig(depth=2, width=4, pool_rounds=1), (1, 8, 8), 10)) == [
        *("stages.0.1.branch.0.weight", "stages.0.1.branch.3.weight"),
        *("stages.1.branch.0.weight", "stages.1.branch.3.weight", "stages.1.shortcut.0.weight"),
    ]


def test_networks_of_two_layers_are_left_to_adamw() -> None:
    assert _moved_by_muon(nn.Sequential(nn.Conv2d(1, 4, 8), nn.Flatten(), nn.Linear(4, 10))) == []
    assert _moved_by_muon(nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))) == []
    assert _moved_by_muon(nn.Linear(4, 3)) == []


def _first_update(model: nn.Sequential) -> tuple[Tensor, Tensor]:
    """The hidden weight's gradient, and what the first step subtracts from it in units of its size."""
    before = linear(model, 4).weight.detach().clone()
    optimizer = optimizer_of(model, "muon", weight_decay=1e-12)
    steps(model, optimizer, 1)
    update = (before - linear(model, 4).weight.detach()) / (RATE * 0.2 * math.sqrt(max(before.shape)))
    gradient = linear(model, 4).weight.grad
    assert gradient is not None
    return gradient, update


def test_update_of_a_hidden_matrix_is_nearly_orthogonal() -> None:
    """Five rounds of Newton-Schulz leave singular values of about 1; those of the gradient lie far apart."""
    gradient, update = _first_update(network())
    raw, made = torch.linalg.svdvals(gradient), torch.linalg.svdvals(update)
    assert raw.max() / raw.min() > 20
    assert made.min() > 0.5
    assert made.max() < 1.3


def test_update_points_where_the_gradient_does() -> None:
    """The nearest orthogonal matrix to G = U S V^T is U V^T."""
    gradient, update = _first_update(network())
    u, _, vt = torch.linalg.svd(gradient, full_matrices=False)
    nearest = u @ vt
    assert torch.sum(nearest * update) / (nearest.norm() * update.norm()) > 0.97


@pytest.mark.parametrize("units", [48, 192])
def test_steps_are_as_large_as_adamws_whatever_the_size(units: int) -> None:
    """A root mean square of 0.2 times the learning rate (Liu et al. 2025), as AdamW's steps have in practice."""
    model = nn.Sequential(nn.Linear(4, units), nn.Linear(units, units), nn.Linear(units, 2))
    weight = linear(model, 1).weight
    before = weight.detach().clone()
    torch.manual_seed(0)
    weight.grad = torch.randn_like(weight)
    optimizer_of(model, "muon", weight_decay=1e-12).step()
    root_mean_square = (weight.detach() - before).square().mean().sqrt().item()
    assert root_mean_square == pytest.approx(0.2 * RATE, rel=0.2)


def test_momentum_is_muons_own() -> None:
    updates = []
    for momentum in (0.5, 0.95):
        model = network()
        steps(model, optimizer_of(model, "muon", momentum=momentum), 3)
        updates.append(linear(model, 4).weight.detach())
    assert not torch.equal(*updates)


def test_pair_is_one_optimizer() -> None:
    model = network()
    pair = optimizer_of(model, "muon")
    assert isinstance(pair, OptimizerPair)
    assert [group["lr"] for group in pair.param_groups] == [RATE] * 3
    loss_of(model).backward()  # type: ignore[no-untyped-call]
    pair.step()
    assert set(pair.state) == set(model.parameters())
    pair.zero_grad()
    assert all(parameter.grad is None for parameter in model.parameters())


def test_pair_takes_a_closure() -> None:
    model = network()
    pair = optimizer_of(model, "muon", learning_rate=0.01)

    def closure() -> float:
        pair.zero_grad()
        loss = loss_of(model)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.item()

    first = pair.step(closure)
    second = pair.step(closure)
    assert first is not None
    assert second is not None
    assert second < first


def test_groups_reach_both_parts_after_loading_too() -> None:
    model, other = network(), network()
    pair, fresh = optimizer_of(model, "muon"), optimizer_of(other, "muon")
    steps(model, pair, 1)
    fresh.load_state_dict(pair.state_dict())
    before = [parameter.detach().clone() for parameter in other.parameters()]
    for group in fresh.param_groups:
        group["lr"] = 0.0
    steps(other, fresh, 1)
    assert all(torch.equal(p, q) for p, q in zip(other.parameters(), before, strict=True))
