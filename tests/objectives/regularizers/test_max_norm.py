"""Max-norm: each unit's incoming weights, never longer than the limit."""

import pytest
import torch
from torch import Tensor, nn

from objectives.optimizers.groups import trainable_weights
from objectives.regularizers.max_norm import constrain_


def _norms(weight: Tensor) -> Tensor:
    norms: Tensor = torch.linalg.vector_norm(weight.detach().double().flatten(1), dim=1)
    return norms


def test_by_hand() -> None:
    # Norms 5, 0.5 and 0: the first row is halved, the others stay.
    weight = torch.tensor([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]])
    constrain_([weight], 2.5)
    assert weight.tolist() == [pytest.approx([1.5, 2.0]), pytest.approx([0.3, 0.4]), [0.0, 0.0]]


def test_kernels_count_as_a_whole() -> None:
    # Two output channels of 2 x 3 x 3 ones: norm sqrt(18) each, not 3 for each input channel
    weight = torch.ones(2, 2, 3, 3)
    constrain_([weight], 18**0.5 / 2)
    torch.testing.assert_close(weight, torch.full((2, 2, 3, 3), 0.5))


@pytest.mark.parametrize("shape", [(8, 5), (64, 3072), (32, 16, 3, 3), (2, 1_000_000)])
@pytest.mark.parametrize("limit", [1e-3, 1.3, 77.0])
def test_never_exceeded_and_the_direction_stays(shape: tuple[int, ...], limit: float) -> None:
    torch.manual_seed(0)
    weight = torch.randn(shape) * torch.rand(shape[0], *[1] * (len(shape) - 1)) * 10
    before = weight.clone()
    constrain_([weight], limit)
    assert _norms(weight).max() <= limit * (1 + 1e-6)
    scale = (limit / _norms(before)).clamp(max=1.0).view(-1, *[1] * (len(shape) - 1))
    torch.testing.assert_close(weight, (before.double() * scale).float())


def test_shorter_ones_keep_their_bits() -> None:
    torch.manual_seed(0)
    short = torch.rand(4, 5)
    kept = short.clone()
    constrain_([short], 100.0)
    assert torch.equal(short, kept)


@pytest.mark.parametrize("layer", [nn.Linear(40, 30), nn.Conv2d(8, 6, 3), nn.LSTM(20, 10, bidirectional=True)])
def test_weights_of_every_layer_and_nothing_else(layer: nn.Module) -> None:
    before = {name: parameter.detach().clone() for name, parameter in layer.named_parameters()}
    constrain_(trainable_weights(layer), 0.01)
    for name, parameter in layer.named_parameters():
        if "weight" in name:
            assert _norms(parameter).tolist() == pytest.approx([0.01] * len(parameter), rel=1e-6)
        else:
            assert torch.equal(parameter, before[name])


def test_strided_weights_are_changed_in_place() -> None:
    weight = nn.Parameter(torch.randn(6, 8, 3, 3).to(memory_format=torch.channels_last))
    constrain_([weight], 0.5)
    assert _norms(weight).max() <= 0.5 * (1 + 1e-6)
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert weight.requires_grad
    assert weight.grad_fn is None
