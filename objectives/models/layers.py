"""Builders that the networks share: stages, their activations and normalizations, initial weights."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from objectives.base.registry import resolve
from objectives.models.activations import ACTIVATIONS
from objectives.models.config import CnnConfig, ImageShape, MlpConfig, NetworkConfig, check_whitening
from objectives.models.initializers import BIASES, INITIALIZERS
from objectives.models.network import Network
from objectives.models.normalizations import NORMALIZATIONS, Position
from objectives.models.whitening import PatchWhitening
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


def build_input_parts(config: NetworkConfig, features: int, image: bool) -> dict[str, nn.Module]:
    """Return what is in front of the first stage, by name: the normalization of the inputs, and their dropout.

    features: the inputs' channels if `image`, else their number.

    Raises:
        ObjectiveError: the normalization is unknown.
    """
    parts: dict[str, nn.Module] = {}
    if config.input_norm is not None:
        entry, _ = resolve(NORMALIZATIONS, config.input_norm, "normalization")
        (parts["input_norm"],) = entry.build(features, image, "before")
    if config.input_dropout > 0:
        parts["input_dropout"] = nn.Dropout(config.input_dropout)
    return parts


def build_image_parts(config: CnnConfig, image_shape: ImageShape) -> tuple[dict[str, nn.Module], int]:
    """Return what is in front of the first stage of a convolutional network, and with how many channels it ends.

    Raises:
        ObjectiveError: the images are too small to be whitened, or the normalization is unknown.
    """
    check_whitening(config.whitening, image_shape)
    channels = image_shape[0]
    parts = build_input_parts(config, channels, True)
    if config.whitening:
        parts["whitening"] = PatchWhitening(channels, config.whitening, count_widening(config.activation))
        parts["whitening_activation"] = build_activation(config.activation)
        channels = 2 * channels * config.whitening**2
    return parts, channels


def prepend(parts: dict[str, nn.Module], stages: Sequence[nn.Module]) -> list[nn.Module]:
    """Return the stages with named parts in front of the first one's, whose own keep their names.

    The parts thus belong to that stage, and are copied and frozen with it.
    """
    first, *others = stages
    return [nn.Sequential(OrderedDict([*parts.items(), *first.named_children()])), *others] if parts else list(stages)


def initialize_network(network: Network, config: NetworkConfig, negative_slope: float = 0.0) -> None:
    """Fill all weights and biases as configured, and multiply the output layer's weights by `config.output_scale`.

    Raises:
        ObjectiveError: an initializer or an option is unknown.
    """
    initialize(network, config.initializer, negative_slope, config.biases)
    with torch.no_grad():
        network.output.weight.mul_(config.output_scale)


def initialize(
    network: nn.Module, initializer: Choice | str, negative_slope: float = 0.0, biases: Choice | str = "zero"
) -> None:
    """Fill every linear, convolutional and recurrent weight and bias in place.

    A recurrent layer's weights are filled gate by gate; unless the initializer says otherwise, those between time
    steps start orthogonal (Saxe et al. 2014).

    Raises:
        ObjectiveError: an initializer or an option is unknown.
    """
    entry, options = resolve(INITIALIZERS, initializer, "initializer")
    bias_entry, bias_options = resolve(BIASES, biases, "bias")

    def fill(weight: Tensor) -> None:
        entry.fill(weight, negative_slope, **options)

    def fill_gate(gate: Tensor, name: str) -> None:
        if name.startswith("bias"):
            counted = bias_entry.fills_both or name.startswith("bias_ih")
            bias_entry.fill(gate, len(gate), **bias_options) if counted else nn.init.zeros_(gate)
        elif entry.fill_recurrent is not None:
            entry.fill_recurrent(gate, negative_slope, **options)
        else:
            fill(gate) if name.startswith("weight_ih") else nn.init.orthogonal_(gate)

    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            fill(module.weight)
            if module.bias is not None:
                bias_entry.fill(module.bias, module.weight[0].numel(), **bias_options)
        elif isinstance(module, nn.RNNBase):
            _initialize_recurrent(module, fill_gate)


def _initialize_recurrent(module: nn.RNNBase, fill_gate: Callable[[Tensor, str], None]) -> None:
    for name, parameter in module.named_parameters():
        # The first dimension is split into gates: one, three of a GRU, or four of an LSTM.
        for gate in parameter.detach().chunk(parameter.shape[0] // module.hidden_size):
            fill_gate(gate, name)
