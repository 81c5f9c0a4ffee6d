"""Hidden kernels as matrices: what Muon does to them in the shipped convolutional networks."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from objectives.models.cnn import build_cnn
from objectives.models.config import CnnConfig
from objectives.models.resnet import build_resnet
from objectives.optimizers.clipping import CLIPPINGS
from objectives.optimizers.flattened_kernels import FlattenedKernels
from tests.objectives.optimizers.made import RATE, loss_of, optimizer_of, save_and_load, steps

SHAPE = (1, 8, 8)  # the digits
HIDDEN = "stages.1.0.weight"
NETWORKS = pytest.mark.parametrize("build", [build_cnn, build_resnet])


def _network(build: Callable[..., nn.Module] = build_cnn, seed: int = 0) -> nn.Module:
    """Three blocks with 8 channels at first, 16 at the end; its kernels are in channels-last memory."""
    torch.manual_seed(seed)
    return build(CnnConfig(depth=3, width=8, pool_rounds=1), SHAPE, 10)


def _first_update(options: dict[str, float]) -> tuple[Tensor, Tensor]:
    """A hidden kernel's gradient and what the first step subtracts from the kernel, both (8, 8 * 3 * 3)."""
    model = _network()
    kernel = model.get_parameter(HIDDEN)
    before = kernel.detach().clone()
    steps(model, optimizer_of(model, "muon", **options), 1)
    assert kernel.grad is not None
    return kernel.grad.reshape(8, 72), (before - kernel.detach()).reshape(8, 72)


def test_update_of_a_kernel_is_nearly_orthogonal_and_points_where_the_gradient_does() -> None:
    gradient, update = _first_update({"weight_decay": 1e-12})
    made = torch.linalg.svdvals(update / (RATE * 0.2 * math.sqrt(72)))
    raw = torch.linalg.svdvals(gradient)
    assert raw.max() / raw.min() > 5
    assert made.min() > 0.5
    assert made.max() < 1.3
    u, _, vt = torch.linalg.svd(gradient, full_matrices=False)
    assert torch.sum(u @ vt * update) / ((u @ vt).norm() * update.norm()) > 0.97


def test_kernels_move_as_equal_matrices_do() -> None:
    """Three steps with torch's own Muon over the flattened weight, bit for bit, the rates changing on the way."""
    torch.manual_seed(0)
    kernel = nn.Parameter(torch.randn(6, 4, 3, 3).to(memory_format=torch.channels_last))
    matrix = nn.Parameter(kernel.detach().flatten(1).clone())
    one = FlattenedKernels([{"params": [kernel]}], lambda groups: torch.optim.Muon(groups, lr=0.1))
    other = torch.optim.Muon([matrix], lr=0.1)
    for rate in (0.1, 0.05, 0.2):
        one.param_groups[0].update(lr=rate, momentum=rate)
        other.param_groups[0].update(lr=rate, momentum=rate)
        kernel.grad = torch.randn_like(kernel)
        matrix.grad = kernel.grad.flatten(1)
        one.step()
        other.step()
        assert torch.equal(kernel.flatten(1), matrix)
    assert kernel.is_contiguous(memory_format=torch.channels_last)


def test_a_kernel_that_changed_between_steps_continues_from_there() -> None:
    model = _network()
    optimizer = optimizer_of(model, "muon", learning_rate=1e-4)
    steps(model, optimizer, 1)
    kernel = model.get_parameter(HIDDEN)
    nn.init.constant_(kernel, 5.0)
    steps(model, optimizer, 1)
    torch.testing.assert_close(kernel.detach(), torch.full_like(kernel, 5.0), atol=0.01, rtol=0)


def test_what_a_step_takes_is_the_clipped_gradient() -> None:
    model = _network()
    optimizer = optimizer_of(model, "muon")
    kernel = model.get_parameter(HIDDEN)
    loss_of(model).backward()  # type: ignore[no-untyped-call]
    CLIPPINGS["clip_value"].build(limit=1e-4)(model.parameters())
    optimizer.step()
    assert 0 < optimizer.state[kernel]["momentum_buffer"].abs().max() <= 1e-4


def test_frozen_kernels_stay_although_they_moved_before() -> None:
    model = _network()
    optimizer = optimizer_of(model, "muon")
    steps(model, optimizer, 2)
    kernel = model.get_parameter(HIDDEN)
    before = kernel.detach().clone()
    momentum = optimizer.state[kernel]["momentum_buffer"].clone()
    kernel.requires_grad_(False)
    optimizer.zero_grad()
    steps(model, optimizer, 2)
    assert torch.equal(kernel, before)
    assert torch.equal(optimizer.state[kernel]["momentum_buffer"], momentum)
    kernel.requires_grad_(True)
    steps(model, optimizer, 1)
    assert not torch.equal(kernel, before)


def test_state_has_the_parameters_that_moved_and_gradients_are_cleared() -> None:
    model = _network()
    model.get_parameter(HIDDEN).requires_grad_(False)
    optimizer = optimizer_of(model, "muon")
    steps(model, optimizer, 1)
    assert set(optimizer.state) == {p for name, p in model.named_parameters() if name != HIDDEN}
    assert any(parameter.grad is not None for parameter in model.parameters())
    optimizer.zero_grad(set_to_none=True)
    assert all(parameter.grad is None for parameter in model.parameters())


@NETWORKS
def test_rates_of_the_groups_reach_kernels(build: Callable[..., nn.Module]) -> None:
    model = _network(build)
    optimizer = optimizer_of(model, "muon")
    before = [parameter.detach().clone() for parameter in model.parameters()]
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    steps(model, optimizer, 1)
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), before, strict=True))


@NETWORKS
def test_three_steps_lower_the_loss(build: Callable[..., nn.Module]) -> None:
    model = _network(build)
    losses = [*steps(model, optimizer_of(model, "muon", learning_rate=1e-3), 3), loss_of(model).item()]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0] - 0.01


@NETWORKS
def test_restored_state_continues_bit_for_bit(build: Callable[..., nn.Module]) -> None:
    model, other = _network(build), _network(build, seed=1)
    optimizer, fresh = optimizer_of(model, "muon"), optimizer_of(other, "muon", learning_rate=RATE / 2)
    steps(model, optimizer, 2)
    save_and_load((model, optimizer), (other, fresh))
    assert steps(model, optimizer, 2) == steps(other, fresh, 2)
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), other.parameters(), strict=True))
