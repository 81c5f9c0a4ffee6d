"""The learning-rate range test: its reading of losses, and its agreement with the theory of gradient descent."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import nn

from objectives.base.errors import ObjectiveError
from objectives.core.middle import find_middle
from objectives.core.objective import Objective
from objectives.core.rate_ramp import train_ramp
from objectives.core.rate_range import RateRange, read_ramp, smooth, space_rates
from spaces import Configuration, Fixed, Float, Int, Space
from tests.objectives.training.made import digits

RATES = space_rates(1e-6, 100.0, 300)


def _descend(curvatures: Sequence[float], rates: Sequence[float]) -> tuple[float, list[float]]:
    """Losses of gradient descent on a quadratic, with noise of the gradients a tenth of their deviation."""
    h, rng = np.array(curvatures), np.random.default_rng(0)
    w, losses = np.ones(len(h)), []
    first = float((h * w * w).sum() / 2)
    for rate in rates:
        w = w - rate * (h * w + 0.1 * np.sqrt(h) * rng.normal(size=len(h)))
        losses.append(float((h * w * w).sum() / 2))
        if losses[-1] > 10 * first:
            break
    return first, losses


@pytest.mark.parametrize("largest", [0.5, 10.0, 300.0])
@pytest.mark.parametrize("steps", [200, 400])
def test_a_quadratic_blows_up_near_two_over_its_largest_curvature(largest: float, steps: int) -> None:
    rates = space_rates(1e-6, 100.0, steps)
    first, losses = _descend(np.geomspace(largest / 1000, largest, 20).tolist(), rates)
    found = read_ramp(first, rates, losses)
    assert found.steepest is not None
    assert found.lowest is not None
    assert found.blow_up is not None
    assert 0.7 < found.blow_up * largest / 2 < 2.5
    assert found.steepest < found.lowest < found.blow_up


def _build_linear(config: Configuration) -> nn.Module:
    linear = nn.Linear(64, 10)
    nn.init.zeros_(linear.weight)
    return nn.Sequential(nn.Flatten(), linear)


LINEAR = Objective(
    data="digits",
    build_model=_build_linear,
    space=Space(optimizer=Fixed("sgd"), batch_size=Fixed(64), learning_rate=Fixed(0.1)),
)


def _ramp(objective: Objective, rates: Sequence[float] = RATES) -> RateRange:
    return train_ramp(objective, find_middle(objective.space), digits(), rates, seed=0)


def test_softmax_regression_blows_up_within_a_factor_of_two_over_the_hessian_s_largest_eigenvalue() -> None:
    """At equal probabilities it is that of the inputs' second moments, over the classes; training lowers it."""
    inputs = torch.cat([x_BCHW.flatten(1) for x_BCHW, _ in digits().train.batches(512, order_seed=None)]).double()
    inputs = torch.cat([inputs, torch.ones(len(inputs), 1)], dim=1)
    largest = float(torch.linalg.eigvalsh(inputs.T @ inputs / len(inputs))[-1]) / 10
    found = _ramp(LINEAR)
    assert found.blow_up is not None
    assert 1.0 < found.blow_up * largest / 2 < 4.0


def test_the_proposed_range_trains_and_a_rate_above_the_blow_up_does_not() -> None:
    found = _ramp(LINEAR)
    assert found.proposed is not None
    assert found.blow_up is not None
    low, high = found.proposed
    assert 0 < low < high < found.blow_up
    inside, beyond = (_ramp(LINEAR, [rate] * 60) for rate in (high, 100 * found.blow_up))
    assert np.mean(inside.losses[-10:]) < 0.5 < 2.0 < np.mean(beyond.losses[-10:])


def test_losses_that_never_fall_propose_nothing() -> None:
    flat = read_ramp(2.3, RATES, [2.3 + 0.001 * (-1) ** step for step in range(300)])
    assert (flat.steepest, flat.lowest, flat.blow_up, flat.proposed) == (None, None, None, None)


def test_a_loss_that_is_no_number_is_the_blow_up_and_hides_nothing_before() -> None:
    losses = [2.0 - step / 200 for step in range(200)] + [math.nan]
    found = read_ramp(2.0, RATES, losses)
    assert len(found.rates) == 201
    assert found.blow_up is not None
    assert RATES[190] < found.blow_up <= RATES[200]
    assert max(found.smoothed) <= 4 * 2.0
    assert found.smoothed[100] == pytest.approx(losses[100], abs=0.02)


def test_smoothing_is_late_on_neither_side() -> None:
    bump = [1.0] * 100 + [2.0] + [1.0] * 100
    smoothed = smooth(1.0, bump)
    assert int(np.argmax(smoothed)) == 100
    assert smoothed == pytest.approx(smoothed[::-1])


def test_rates_are_equal_multiples() -> None:
    assert space_rates(1e-3, 10.0, 5) == pytest.approx((1e-3, 1e-2, 0.1, 1.0, 10.0))


def test_an_own_training_has_no_ramp() -> None:
    own = Objective(data="digits", train=lambda *_: None, space=Space(learning_rate=Float(1e-3, 1e-1, log=True)))
    with pytest.raises(ObjectiveError, match="`train` of its own"):
        _ramp(own)


def test_the_middle_of_a_space() -> None:
    space = Space(width=Int(16, 64, log=True), depth=Int(1, 4), dropout=Float(0, 0.5), rate=Float(1e-4, 1e-2, log=True))
    middle = find_middle(space)
    assert (middle.width, middle.depth, middle.dropout) == (32, 3, 0.25)
    assert middle.rate == pytest.approx(1e-3)
