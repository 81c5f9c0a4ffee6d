"""Every optimizer learns; the named ones do what the textbooks say."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from objectives.core.errors import ObjectiveError
from objectives.core.registry import choose
from objectives.optimizers.catalogue import OPTIMIZERS, Groups, OptimizerEntry
from objectives.training.config import TrainingConfig
from objectives.training.loop import build_optimizer, set_learning_rate
from spaces import Choice, Configuration, Float, Space
from tests.objectives.training.made import CONFIG, OBJECTIVE, digits, trained

RATE, MOMENTUM = 0.1, 0.9


def _optimizer(model: nn.Module, name: str, **options: float) -> torch.optim.Optimizer:
    return build_optimizer(model, TrainingConfig(optimizer=Choice(name, options)))


def _network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 10))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_three_steps_on_digits_lower_the_loss(name: str) -> None:
    x_BCHW, y_B = next(digits().train.batches(128, order_seed=0))
    model = _network()
    optimizer = _optimizer(model, name, learning_rate=0.01)
    losses = []
    for _ in range(4):
        loss = nn.functional.cross_entropy(model(x_BCHW), y_B)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0] - 0.01


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_option_of_the_space_is_read(name: str) -> None:
    space = OPTIMIZERS[name].space
    options = {option: domain.low for option, domain in space.domains.items()}  # type: ignore[union-attr]
    optimizer = _optimizer(_network(), name, **options)
    assert all(group["lr"] == options["learning_rate"] for group in optimizer.param_groups)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_unknown_option_is_refused_with_its_name(name: str) -> None:
    with pytest.raises(ObjectiveError, match=f"optimizer '{name}' has no option 'momentun'"):
        _optimizer(_network(), name, learning_rate=0.1, momentun=0.9)


def test_unknown_optimizer_is_refused() -> None:
    with pytest.raises(ObjectiveError, match="unknown optimizer 'adamx'; did you mean adam"):
        _optimizer(_network(), "adamx", learning_rate=0.1)


def test_options_are_not_for_optimizers_that_have_none() -> None:
    with pytest.raises(ObjectiveError, match="optimizer 'sgd' has no option 'momentum'"):
        _optimizer(_network(), "sgd", learning_rate=0.1, momentum=0.9)


def _after(name: str, gradients: list[list[float]], **options: float) -> list[float]:
    """A weight of three numbers after a step for each gradient, in double precision."""
    model = nn.Linear(3, 1, bias=False, dtype=torch.float64)
    model.weight.data = torch.tensor([[1.0, -2.0, 0.5]], dtype=torch.float64)
    optimizer = _optimizer(model, name, learning_rate=RATE, **options)
    for gradient in gradients:
        model.weight.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()
    values: list[float] = model.weight.detach().flatten().tolist()
    return values


GRADIENTS = [[1.0, 0.5, -2.0], [-0.5, 1.0, 3.0], [0.25, -4.0, 1.0]]


def test_sgd_goes_down_the_gradient() -> None:
    weight = [1.0, -2.0, 0.5]
    for gradient in GRADIENTS:
        weight = [w - RATE * g for w, g in zip(weight, gradient, strict=True)]
    assert _after("sgd", GRADIENTS) == pytest.approx(weight, rel=1e-14)


@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum_and_nesterov(nesterov: bool) -> None:
    """v = m v + g; then w -= rate v, or for Nesterov w -= rate (g + m v)."""
    weight, velocity = [1.0, -2.0, 0.5], [0.0, 0.0, 0.0]
    for gradient in GRADIENTS:
        velocity = [MOMENTUM * v + g for v, g in zip(velocity, gradient, strict=True)]
        ahead = [g + MOMENTUM * v for g, v in zip(gradient, velocity, strict=True)]
        weight = [w - RATE * s for w, s in zip(weight, ahead if nesterov else velocity, strict=True)]
    got = _after("nesterov" if nesterov else "momentum", GRADIENTS, momentum=MOMENTUM)
    assert got == pytest.approx(weight, rel=1e-14)


def test_adam_first_steps_are_of_the_learning_rate() -> None:
    """With one gradient repeated, bias correction makes every step rate * sign(g) (Kingma & Ba 2015, 2.1)."""
    for name in ("adam", "adamw"):
        options = {"weight_decay": 0.0} if name == "adamw" else {}
        got = _after(name, [[1.0, -0.5, 2.0]] * 2, **options)
        assert got == pytest.approx([1.0 - 2 * RATE, -2.0 + 2 * RATE, 0.5 - 2 * RATE], abs=1e-7)


def test_adamw_decays_weights_but_not_biases_and_norms() -> None:
    model = _network()
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    optimizer = _optimizer(model, "adamw", learning_rate=RATE, weight_decay=0.5)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for name, parameter in model.named_parameters():
        factor = 1 - RATE * 0.5 if name in ("1.weight", "4.weight") else 1.0
        torch.testing.assert_close(parameter.detach(), before[name] * factor)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_only_those_that_say_so_decay(name: str) -> None:
    optimizer = _optimizer(_network(), name, learning_rate=RATE)
    decays = [group["weight_decay"] > 0 for group in optimizer.param_groups]
    assert decays == [OPTIMIZERS[name].decays_weights, False]


def test_frozen_parameters_are_left_out() -> None:
    model = _network()
    model[1].weight.requires_grad_(False)
    held: list[Tensor] = [
        p for group in _optimizer(model, "sgd", learning_rate=1.0).param_groups for p in group["params"]
    ]
    assert len(held) == len(list(model.parameters())) - 1


def test_learning_rate_may_stand_on_its_own() -> None:
    assert TrainingConfig(optimizer="adam", learning_rate=0.5).optimizer_choice == Choice(
        "adam", {"learning_rate": 0.5}
    )
    with pytest.raises(
        ObjectiveError, match="optimizer 'adam' has no learning rate; add learning_rate to the space"
    ):
        _ = TrainingConfig(optimizer="adam").optimizer_choice


def test_learning_rate_is_set_for_every_group() -> None:
    optimizer = _optimizer(_network(), "adamw", learning_rate=0.1)
    set_learning_rate(optimizer, 0.25)
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.25]


def _signs(groups: Groups, *, learning_rate: float, factor: float = 1.0) -> torch.optim.Optimizer:
    return torch.optim.Adagrad(groups, lr=learning_rate * factor)


def test_adding_one_is_one_edit(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = OptimizerEntry(
        build=_signs,
        space=Space(learning_rate=Float(0.05, 0.1), factor=Float(1.0, 2.0)),
        description="a made-up one",
    )
    monkeypatch.setitem(OPTIMIZERS, "signs", entry)
    space = OBJECTIVE.space.replace(optimizer=choose(OPTIMIZERS, "signs", "sgd"))
    config = space.replay({"optimizer": "signs", "signs.learning_rate": 0.1, "signs.factor": 1.0})
    _, curve = trained(replace(OBJECTIVE, space=space), Configuration({**CONFIG, **config}))
    assert curve.of("accuracy")[-1] > 0.8
