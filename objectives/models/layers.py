"""Pieces that the networks share: activations by choice, initialized layers."""

from __future__ import annotations

from torch import nn

from objectives.core.registry import build, look_up
from objectives.models.activations import ACTIVATIONS
from objectives.models.initializers import INITIALIZERS
from spaces import Choice


def activation(choice: Choice | str) -> nn.Module:
    """A new activation module.

    Raises:
        ObjectiveError: unknown activation or option.
    """
    choice = _as_choice(choice)
    entry = look_up(ACTIVATIONS, choice.name, "activation")
    return build(entry.build, choice, "activation")


def slope(choice: Choice | str) -> float:
    """The negative slope that He initialization allows for; 0 unless the activation is leaky."""
    return float(getattr(activation(choice), "negative_slope", 0.0))


def initialize(network: nn.Module, initializer: Choice | str, negative_slope: float) -> None:
    """Fill every linear and convolutional weight in place; biases become zero.

    The output layer gets the same as the others: its scale is a technique of its own.

    Raises:
        ObjectiveError: unknown initializer or option.
    """
    choice = _as_choice(initializer)
    entry = look_up(INITIALIZERS, choice.name, "initializer")
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            build(entry.fill, choice, "initializer", module.weight, negative_slope)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def _as_choice(choice: Choice | str) -> Choice:
    return Choice(choice) if isinstance(choice, str) else choice
