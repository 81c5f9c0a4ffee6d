"""The named optimizers do what the textbooks say: three steps by hand, in double precision."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

from objectives.optimizers.catalogue import OPTIMIZERS
from tests.objectives.optimizers.made import RATE, network, optimizer_of

START = [1.0, -2.0, 0.5]
GRADIENTS = [[1.0, 0.5, -2.0], [-0.5, 1.0, 3.0], [0.25, -4.0, 1.0]]
MOMENTUM = 0.8

# From a gradient and the number of the step, counted from 1, to what is subtracted from the weight.
Rule = Callable[[float, int], float]


def _sgd() -> Rule:
    return lambda g, t: RATE * g


def _momentum() -> Rule:
    """v = m v + g."""
    velocity = 0.0

    def rule(g: float, t: int) -> float:
        nonlocal velocity
        velocity = MOMENTUM * velocity + g
        return RATE * velocity

    return rule


def _nesterov() -> Rule:
    """v = m v + g, but the step is g + m v: the velocity one step ahead."""
    velocity = 0.0

    def rule(g: float, t: int) -> float:
        nonlocal velocity
        velocity = MOMENTUM * velocity + g
        return RATE * (g + MOMENTUM * velocity)

    return rule


@pytest.mark.parametrize(("name", "momentum"), [("sgd", 0.0), ("momentum", MOMENTUM), ("nesterov", MOMENTUM)])
def test_weight_decay_is_decoupled_from_gradient_and_momentum(name: str, momentum: float) -> None:
    """SGDW by hand: each step first shrinks the weight by rate * decay; the momentum never sees the decay."""
    decay, nesterov = 0.3, name == "nesterov"
    expected = []
    for index, start in enumerate(START):
        weight, velocity = start, 0.0
        for gradients in GRADIENTS:
            velocity = momentum * velocity + gradients[index]
            step = gradients[index] + momentum * velocity if nesterov else velocity
            weight = weight * (1 - RATE * decay) - RATE * step
        expected.append(weight)
    options = {"weight_decay": decay, **({"momentum": momentum} if momentum else {})}
    assert _after(name, GRADIENTS, **options) == pytest.approx(expected, abs=1e-12)


def _adagrad() -> Rule:
    """s = s + g^2; the step is g / (sqrt(s) + epsilon)."""
    squares = 0.0

    def rule(g: float, t: int) -> float:
        nonlocal squares
        squares += g * g
        return RATE * g / (math.sqrt(squares) + 1e-3)

    return rule


def _rmsprop() -> Rule:
    """s = a s + (1 - a) g^2; the step is g / (sqrt(s) + epsilon)."""
    squares = 0.0

    def rule(g: float, t: int) -> float:
        nonlocal squares
        squares = 0.95 * squares + 0.05 * g * g
        return RATE * g / (math.sqrt(squares) + 1e-3)

    return rule


def _adam() -> Rule:
    """Kingma & Ba 2015, algorithm 1, with beta1 = 0.8, beta2 = 0.9."""
    mean = square = 0.0

    def rule(g: float, t: int) -> float:
        nonlocal mean, square
        mean, square = 0.8 * mean + 0.2 * g, 0.9 * square + 0.1 * g * g
        return RATE * (mean / (1 - 0.8**t)) / (math.sqrt(square / (1 - 0.9**t)) + 1e-3)

    return rule


def _adamax() -> Rule:
    """Kingma & Ba 2015, algorithm 2; epsilon keeps the largest gradient above 0, as in torch."""
    mean = largest = 0.0

    def rule(g: float, t: int) -> float:
        nonlocal mean, largest
        mean, largest = 0.8 * mean + 0.2 * g, max(0.9 * largest, abs(g) + 1e-3)
        return RATE / (1 - 0.8**t) * mean / largest

    return rule


def _nadam() -> Rule:
    """Dozat 2016, algorithm 8, with its mu_t = beta1 (1 - 0.96^(0.004 t) / 2)."""
    mean = square = 0.0
    product = 1.0

    def rule(g: float, t: int) -> float:
        nonlocal mean, square, product
        now, ahead = (0.8 * (1 - 0.5 * 0.96 ** (0.004 * step)) for step in (t, t + 1))
        product *= now
        mean, square = 0.8 * mean + 0.2 * g, 0.9 * square + 0.1 * g * g
        looked: float = ahead * mean / (1 - product * ahead) + (1 - now) * g / (1 - product)
        return RATE * looked / (math.sqrt(square / (1 - 0.9**t)) + 1e-3)

    return rule


BETAS = {"beta1": 0.8, "beta2": 0.9, "epsilon": 1e-3}

RULES: dict[str, tuple[Callable[[], Rule], dict[str, float]]] = {
    "sgd": (_sgd, {}),
    "momentum": (_momentum, {"momentum": MOMENTUM}),
    "nesterov": (_nesterov, {"momentum": MOMENTUM}),
    "adagrad": (_adagrad, {"epsilon": 1e-3}),
    "rmsprop": (_rmsprop, {"alpha": 0.95, "epsilon": 1e-3}),
    "adam": (_adam, BETAS),
    "adamax": (_adamax, BETAS),
    "nadam": (_nadam, BETAS),
    "adamw": (_adam, {**BETAS, "weight_decay": 1e-12}),
}


def _after(name: str, gradients: list[list[float]], **options: float) -> list[float]:
    """The weight after a step for each gradient."""
    model = nn.Linear(3, 1, bias=False, dtype=torch.float64)
    model.weight.data = torch.tensor([START], dtype=torch.float64)
    optimizer = optimizer_of(model, name, **options)
    for gradient in gradients:
        model.weight.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()
    values: list[float] = model.weight.detach().flatten().tolist()
    return values


@pytest.mark.parametrize("name", RULES)
def test_three_steps_by_hand(name: str) -> None:
    rule, options = RULES[name]
    expected = []
    for index, weight in enumerate(START):
        step = rule()
        expected.append(weight - sum(step(row[index], t) for t, row in enumerate(GRADIENTS, start=1)))
    # nadam multiplies its mu_t in single precision
    assert _after(name, GRADIENTS, **options) == pytest.approx(expected, abs=2e-9)


@pytest.mark.parametrize("name", ["momentum", "nesterov"])
def test_without_momentum_it_is_sgd(name: str) -> None:
    assert _after(name, GRADIENTS, momentum=0.0) == _after("sgd", GRADIENTS)


@pytest.mark.parametrize("name", ["adam", "adamw", "adamax"])
def test_first_steps_are_of_the_learning_rate(name: str) -> None:
    """With one gradient repeated, bias correction makes every step rate * sign(g) (Kingma & Ba 2015, 2.1)."""
    options = {"weight_decay": 1e-12} if name == "adamw" else {}
    got = _after(name, [[1.0, -0.5, 2.0]] * 2, **options)
    assert got == pytest.approx([1.0 - 2 * RATE, -2.0 + 2 * RATE, 0.5 - 2 * RATE], abs=1e-7)


@pytest.mark.parametrize("name", [name for name, entry in OPTIMIZERS.items() if entry.decays_weights])
def test_decay_is_of_weights_but_not_of_biases_and_norms(name: str) -> None:
    model = network()
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    optimizer = optimizer_of(model, name, weight_decay=0.5)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for key, parameter in model.named_parameters():
        factor = 1 - RATE * 0.5 if key in ("1.weight", "4.weight", "6.weight") else 1.0
        torch.testing.assert_close(parameter.detach(), before[key] * factor)
