"""A small network, real gradients, and short ways to an optimizer."""

import io

import torch
from torch import Tensor, nn

from objectives.optimizers.groups import build_optimizer
from spaces import Choice
from tests.objectives.training.made import digits

RATE = 0.1


def network(seed: int = 0) -> nn.Sequential:
    """Two hidden layers for the digits; the second linear weight, "4.weight", is its one hidden matrix."""
    torch.manual_seed(seed)
    return nn.Sequential(
        *(nn.Flatten(), nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU()),
        *(nn.Linear(32, 24), nn.ReLU(), nn.Linear(24, 10)),
    )


def linear(model: nn.Sequential, index: int) -> nn.Linear:
    """One of its linear layers."""
    layer = model[index]
    assert isinstance(layer, nn.Linear)
    return layer


def optimizer_of(model: nn.Module, name: str, **options: float) -> torch.optim.Optimizer:
    """An optimizer over all parameters, its learning rate 0.1 unless said otherwise."""
    return build_optimizer(model, Choice(name, {"learning_rate": RATE, **options}))


def loss_of(model: nn.Module) -> Tensor:
    """The loss on one batch of the digits, always the same."""
    x_BCHW, y_B = next(digits().train.batches(128, order_seed=0))
    return nn.functional.cross_entropy(model(x_BCHW), y_B)


def steps(model: nn.Module, optimizer: torch.optim.Optimizer, count: int) -> list[float]:
    """So many steps on that batch; the loss before each."""
    losses = []
    for _ in range(count):
        loss = loss_of(model)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return losses


def save_and_load(
    source: tuple[nn.Module, torch.optim.Optimizer], target: tuple[nn.Module, torch.optim.Optimizer]
) -> None:
    """Bring a network and its optimizer to another pair through a file, as a checkpoint does."""
    file = io.BytesIO()
    torch.save([part.state_dict() for part in source], file)
    file.seek(0)
    for part, state in zip(target, torch.load(file, weights_only=True), strict=True):
        part.load_state_dict(state)
