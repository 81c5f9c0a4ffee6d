"""Builders that the networks share: stages, their activations and normalizations, initial weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from objectives.base.registry import resolve
from objectives.models.activations import ACTIVATIONS
from objectives.models.config import CnnConfig, MlpConfig, NetworkConfig
from objectives.models.initializers import INITIALIZERS
from objectives.models.network import Network
from objectives.models.normalizations import NORMALIZATIONS, Position
from spaces import Choice

# layer(outputs, bias=...) builds a layer; everything else about it is decided already.
Layer = Callable[..., nn.Linear | nn.Conv2d]


def build_activation(choice: Choice | str) -> nn.Module:
    """Return a new activation module.

    Raises:
        ObjectiveError: the activation or an option is unknown.
    """
    entry, options = resolve(ACTIVATIONS, choice, "activation")
    return entry.build(**options)


def count_widening(choice: Choice | str) -> int:
    """Return how many outputs of the previous layer an activation needs for each of its own."""
    return resolve(ACTIVATIONS, choice, "activation")[0].widens


def find_slope(choice: Choice | str) -> float:
    """Return the negative slope that He initialization takes into account; 0 unless the activation is leaky."""
    entry, options = resolve(ACTIVATIONS, choice, "activation")
    return 0.0 if entry.negative_slope is None else entry.negative_slope(**options)


def build_stage(layer: Layer, units: int, config: MlpConfig | CnnConfig, *rest: nn.Module) -> nn.Sequential:
    """Return a layer, normalization and activation as configured, with `units` outputs, followed by the rest.

    A normalization before the activation directly follows its layer, so that it can be folded into it.

    Raises:
        ObjectiveError: an activation, a normalization or an option is unknown.
    """
    return nn.Sequential(*build_affine_part(layer, units, config), *build_nonlinear_part(units, config), *rest)


def build_affine_part(layer: Layer, units: int, config: MlpConfig | CnnConfig) -> list[nn.Module]:
    """Return what precedes the activation: the layer, and the normalization if its position is before."""
    outputs = units * count_widening(config.activation)
    norms = _build_normalization(config, outputs, "before")
    replaces_bias = resolve(NORMALIZATIONS, config.normalization, "normalization")[0].replaces_bias
    return [layer(outputs, bias=not (norms and replaces_bias)), *norms]


def build_nonlinear_part(units: int, config: MlpConfig | CnnConfig) -> list[nn.Module]:
    """Return the activation, and the normalization if its position is after."""
    return [build_activation(config.activation), *_build_normalization(config, units, "after")]


def _build_normalization(config: MlpConfig | CnnConfig, features: int, at: Position) -> list[nn.Module]:
    entry, options = resolve(NORMALIZATIONS, config.normalization, "normalization")
    return entry.build(features, isinstance(config, CnnConfig), at, **options)


def build_image_network(stages: Sequence[nn.Module], channels: int, config: CnnConfig, classes: int) -> Network:
    """Return an initialized network: the stages, which end with `channels`, an average over the image, an output."""
    dropout = [nn.Dropout(config.dropout)] if config.dropout > 0 else []
    network = Network(
        prepare=nn.Identity(),
        stages=stages,
        pool=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), *dropout),
        output=nn.Linear(channels, classes),
    )
    initialize_network(network, config, find_slope(config.activation))
    # Convolutions in channels-last memory are about twice as fast on CPUs and tensor cores.
    return network.to(memory_format=torch.channels_last)


def initialize_network(network: Network, config: NetworkConfig, negative_slope: float = 0.0) -> None:
    """Fill all weights as configured, and multiply the output layer's by `config.output_scale`.

    Raises:
        ObjectiveError: the initializer or an option is unknown.
    """
    initialize(network, config.initializer, negative_slope)
    with torch.no_grad():
        network.output.weight.mul_(config.output_scale)


def initialize(network: nn.Module, initializer: Choice | str, negative_slope: float = 0.0) -> None:
    """Fill every linear, convolutional and recurrent weight in place; set biases to zero.

    A recurrent layer's weights are filled gate by gate; those between time steps start orthogonal with every
    initializer (Saxe et al. 2014).

    Raises:
        ObjectiveError: the initializer or an option is unknown.
    """
    entry, options = resolve(INITIALIZERS, initializer, "initializer")

    def fill(weight: Tensor) -> None:
        entry.fill(weight, negative_slope, **options)

    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            fill(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.RNNBase):
            _initialize_recurrent(module, fill)


def _initialize_recurrent(module: nn.RNNBase, fill: Callable[[Tensor], None]) -> None:
    for name, parameter in module.named_parameters():
        # The first dimension is split into gates: one, three of a GRU, or four of an LSTM.
        for gate in parameter.detach().chunk(parameter.shape[0] // module.hidden_size):
            if name.startswith("weight_ih"):
                fill(gate)
            elif name.startswith("weight_hh"):
                nn.init.orthogonal_(gate)
            else:
                nn.init.zeros_(gate)
