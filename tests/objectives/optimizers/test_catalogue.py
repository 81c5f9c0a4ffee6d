"""What holds for every optimizer: it learns, reads its options, and continues from its state."""

import inspect
import math
from dataclasses import replace

import pytest
import torch

from objectives.base.errors import ObjectiveError
from objectives.base.registry import choose
from objectives.optimizers.catalogue import OPTIMIZERS, Groups, OptimizerEntry
from objectives.training.config import TrainingConfig
from spaces import Choice, Configuration, Fixed, Float, Space
from tests.objectives.optimizers.made import RATE, loss_of, network, optimizer_of, save_and_load, steps
from tests.objectives.training.made import CONFIG, OBJECTIVE, trained

NUMBERS = [
    (name, option, domain.domain if isinstance(domain, Fixed) else domain)
    for name, entry in OPTIMIZERS.items()
    for option, domain in entry.space.domains.items()
]


def test_the_textbook_optimizers_are_there() -> None:
    assert {"sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamax", "nadam", "adamw"} <= set(OPTIMIZERS)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_three_steps_on_digits_lower_the_loss(name: str) -> None:
    model, domain = network(), OPTIMIZERS[name].space.domains["learning_rate"]
    assert isinstance(domain, Float)
    middle = math.sqrt(domain.low * domain.high)
    losses = [*steps(model, optimizer_of(model, name, learning_rate=middle), 3), loss_of(model).item()]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0] - 0.01


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_restored_state_continues_bit_for_bit(name: str) -> None:
    model, other = network(), network(seed=1)
    optimizer, fresh = optimizer_of(model, name), optimizer_of(other, name, learning_rate=RATE / 2)
    steps(model, optimizer, 2)
    save_and_load((model, optimizer), (other, fresh))
    assert steps(model, optimizer, 2) == steps(other, fresh, 2)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_learning_rate_of_a_group_is_what_a_step_takes(name: str) -> None:
    model = network()
    optimizer = optimizer_of(model, name)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    steps(model, optimizer, 1)
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), before, strict=True)), (
        f"{name} moves parameters although group['lr'] is 0: a step must scale with it, because schedules change it"
    )
    for group in optimizer.param_groups:
        group["lr"] = RATE
    steps(model, optimizer, 1)
    moved = zip(model.parameters(), before, strict=True)
    # Only the weights: batch norm undoes the bias in front of it.
    assert not any(torch.equal(p, q) for p, q in moved if p.ndim > 1), (
        f"{name} leaves weights as they are although group['lr'] is {RATE} again: a step must read it each time"
    )


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_option_of_the_builder_stands_in_the_space_with_its_default(name: str) -> None:
    entry = OPTIMIZERS[name]
    parameters = [p for p in inspect.signature(entry.build).parameters.values() if p.kind is p.KEYWORD_ONLY]
    assert {p.name for p in parameters} == set(entry.space.domains)
    fixed = {option: domain.value for option, domain in entry.space.domains.items() if isinstance(domain, Fixed)}
    assert {p.name: p.default for p in parameters if p.name in fixed} == fixed


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_learning_rates_are_searched_on_a_log_scale(name: str) -> None:
    domain = OPTIMIZERS[name].space.domains["learning_rate"]
    assert isinstance(domain, Float)
    assert domain.log


@pytest.mark.parametrize(("name", "option", "domain"), NUMBERS)
def test_a_step_can_be_taken_at_both_limits_of_every_option(name: str, option: str, domain: Float) -> None:
    for value in (domain.at_least, domain.at_most):
        assert value is not None
        model = network()
        steps(model, optimizer_of(model, name, **{option: value}), 1)


@pytest.mark.parametrize(("name", "option", "domain"), NUMBERS)
def test_a_value_beyond_its_limits_is_refused(name: str, option: str, domain: Float) -> None:
    with pytest.raises(ObjectiveError, match=f"^{option} of optimizer '{name}' must be at most .*, but got 777.5$"):
        optimizer_of(network(), name, **{option: 777.5})
    with pytest.raises(ObjectiveError, match=f"^{option} of optimizer '{name}' must be at least .*, but got -0.5$"):
        optimizer_of(network(), name, **{option: -0.5})


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_unknown_option_is_refused_with_its_name(name: str) -> None:
    with pytest.raises(ObjectiveError, match=f"optimizer '{name}' has no option 'momentun'"):
        optimizer_of(network(), name, momentun=0.9)


def test_unknown_optimizer_is_refused() -> None:
    with pytest.raises(ObjectiveError, match="unknown optimizer 'adamx'; did you mean adam"):
        optimizer_of(network(), "adamx")


def test_options_are_not_for_optimizers_that_have_none() -> None:
    with pytest.raises(ObjectiveError, match="optimizer 'sgd' has no option 'momentum'"):
        optimizer_of(network(), "sgd", momentum=0.9)


def test_learning_rate_may_stand_on_its_own() -> None:
    assert TrainingConfig(optimizer="adam", learning_rate=0.5).optimizer_choice == Choice(
        "adam", {"learning_rate": 0.5}
    )
    with pytest.raises(ObjectiveError, match="optimizer 'adam' has no learning rate; add learning_rate to the space"):
        _ = TrainingConfig(optimizer="adam").optimizer_choice


def _scaled(groups: Groups, *, learning_rate: float, factor: float = 1.0) -> torch.optim.Optimizer:
    return torch.optim.Adagrad(groups, lr=learning_rate * factor)


def test_adding_one_is_one_edit(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = OptimizerEntry(
        build=_scaled,
        space=Space(learning_rate=Float(0.05, 0.1), factor=Float(1.0, 2.0)),
        description="a made-up one",
    )
    monkeypatch.setitem(OPTIMIZERS, "scaled", entry)
    space = OBJECTIVE.space.replace(optimizer=choose(OPTIMIZERS, "scaled", "sgd"))
    config = space.replay({"optimizer": "scaled", "scaled.learning_rate": 0.1, "scaled.factor": 1.0})
    _, curve = trained(replace(OBJECTIVE, space=space), Configuration({**CONFIG, **config}))
    assert curve.of("accuracy")[-1] > 0.8
