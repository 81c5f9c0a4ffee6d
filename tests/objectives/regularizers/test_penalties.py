"""l1 and l2 against numbers by hand."""

import pytest
import torch
from torch import Tensor, nn

from objectives.optimizers.groups import trainable_weights
from objectives.regularizers.penalties import compute_penalty

# Sum of |w|: 3 + 4 + 0 + 1 + 2 = 10; sum of w^2: 9 + 16 + 0 + 1 + 4 = 30
WEIGHTS = [torch.tensor([[3.0, -4.0], [0.0, 1.0]]), torch.tensor([[[-2.0]]])]


@pytest.mark.parametrize(
    ("l1", "l2", "expected"), [(0.1, 0.0, 1.0), (0.0, 0.1, 3.0), (0.1, 0.01, 1.3), (0.0, 0.0, 0.0)]
)
def test_by_hand(l1: float, l2: float, expected: float) -> None:
    got = compute_penalty(WEIGHTS, l1, l2)
    assert got.shape == ()
    assert got.item() == pytest.approx(expected)


def test_no_weights_cost_nothing() -> None:
    assert compute_penalty([], 1.0, 1.0).item() == 0.0


@pytest.mark.parametrize(("l1", "l2"), [(0.1, 0.0), (0.0, 0.01), (0.1, 0.01)])
def test_gradient_is_l1_times_the_sign_and_two_l2_times_the_weight(l1: float, l2: float) -> None:
    made = [weight.clone().requires_grad_(True) for weight in WEIGHTS]
    compute_penalty(made, l1, l2).backward()  # type: ignore[no-untyped-call]
    for weight in made:
        expected = l1 * weight.detach().sign() + 2 * l2 * weight.detach()
        torch.testing.assert_close(weight.grad, expected)


def test_gradient_reaches_weights_only() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.PReLU(), nn.Flatten(), nn.Linear(8, 3))
    compute_penalty(trainable_weights(model), 0.1, 0.1).backward()  # type: ignore[no-untyped-call]
    reached: list[str] = []
    for name, parameter in model.named_parameters():
        gradient: Tensor | None = parameter.grad
        if gradient is not None:
            assert gradient.abs().sum() > 0
            reached.append(name)
    assert reached == ["0.weight", "4.weight"]
