"""Measuring a network's layers on one batch, without a trace: no gradient, buffer, mode or random state changes.

B: batch, C: channels, H, W: height and width, K: classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from objectives.base.device import Precision, autocast
from objectives.diagnosis.records import LayerRecord, NetworkRecord
from objectives.models.custom_layers import SquaredRelu, SwiGlu, Swish
from objectives.regularizers.max_norm import constrain_
from objectives.training.random_states import get_random_states, set_random_states

DYING = (nn.ReLU, nn.ReLU6, nn.Threshold, nn.Hardswish, nn.Hardshrink, nn.Softshrink, SquaredRelu)
"""Activations that are 0, with slope 0, over a part of the line: a unit that stays there no longer learns."""
LIMITS: Mapping[type[nn.Module], tuple[float, float]] = {
    nn.Tanh: (-1.0, 1.0),
    nn.Hardtanh: (-1.0, 1.0),
    nn.Sigmoid: (0.0, 1.0),
    nn.Hardsigmoid: (0.0, 1.0),
}
"""Activations that flatten out towards two limits."""
NEAR = 0.01
"""Outputs this close to a limit, as a share of the distance between the two, count as saturated."""
MOST_LAYERS = 32
"""Of a deeper network, this many layers are kept, the first and the last among them."""

OWN = (SquaredRelu, SwiGlu, Swish)
"""Activations that are not torch's."""


@dataclass(kw_only=True, eq=False)
class LayerMeasurement:
    """One layer's measurements, still on the device. weights: the parameters themselves."""

    name: str
    weights: Sequence[Tensor]
    outputs: dict[str, Tensor] = field(default_factory=dict)
    gradients: Sequence[Tensor] = ()
    before: Sequence[Tensor] = ()


class NetworkMeasurement:
    """A network's measurements on a batch, made at once; `finish` is called after the next step."""

    def __init__(
        self, model: nn.Module, x_BCHW: Tensor, y_B: Tensor, precision: Precision, max_norm: float = 0.0
    ) -> None:
        """Measure the network.

        max_norm: the constraint that steps end with, if any; its first effect on the weights is no update.

        Raises:
            RuntimeError: the network cannot be measured, or there is too little memory.
        """
        with _leave_no_trace(model, x_BCHW.device), ExitStack() as hooks:
            _set_modes(model)
            self._layers = _hook(model, hooks)
            with torch.enable_grad(), autocast(x_BCHW.device, precision):
                logits_BK = model(x_BCHW)
                loss = F.cross_entropy(logits_BK, y_B)
            self._layers = _thin(self._layers)
            self._classes = logits_BK.shape[1]
            _differentiate(loss, self._layers)
        # Not the loss itself, which holds the graph of the gradients: no CUDA graph could be recorded beside that.
        self._loss = loss.detach()
        for layer in self._layers:
            layer.before = [weight.detach().clone() for weight in layer.weights]
            if max_norm:
                constrain_(layer.before, max_norm)

    @torch.no_grad()
    def finish(self) -> NetworkRecord:
        """Return the measurements, with the change of the weights since then."""
        tensors: dict[tuple[int, str], Tensor] = {}
        for index, layer in enumerate(self._layers):
            tensors |= {(index, name): value for name, value in layer.outputs.items()}
            tensors[index, "weight"] = _norm(layer.before)
            changes = [now - then for now, then in zip(layer.weights, layer.before, strict=True)]
            tensors[index, "update"] = _norm(changes) / tensors[index, "weight"]
            if layer.gradients:
                tensors[index, "gradient"] = _norm(layer.gradients)
        loss, *numbers = torch.stack([self._loss, *tensors.values()]).tolist()  # the device is waited for once
        measured = dict(zip(tensors, numbers, strict=True))
        layers = (self._build_record(index, measured) for index in range(len(self._layers)))
        return NetworkRecord(classes=self._classes, loss=loss, layers=tuple(layers))

    def _build_record(self, index: int, measured: Mapping[tuple[int, str], float]) -> LayerRecord:
        def get(name: str) -> float | None:
            return measured.get((index, name))

        weight, mean, deviation = (measured[index, name] for name in ("weight", "mean", "deviation"))
        return LayerRecord(
            name=self._layers[index].name,
            gradient=get("gradient"),
            weight=weight,
            update=get("update") if weight else None,
            mean=mean,
            deviation=deviation,
            dead=get("dead"),
            saturated=get("saturated"),
        )


@contextmanager
def _leave_no_trace(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Take back what the block does to random states, and to the network's modes and buffers."""
    states = get_random_states(device)
    modes = [(module, module.training) for module in model.modules()]
    buffers = [(buffer, buffer._version, buffer.clone()) for buffer in model.buffers()]
    try:
        yield
    finally:
        set_random_states(states, device)
        for module, mode in modes:
            module.training = mode
        with torch.no_grad():
            for buffer, version, copied in buffers:
                if buffer._version != version:
                    buffer.copy_(copied)


def _set_modes(model: nn.Module) -> None:
    model.eval()
    for module in model.modules():
        if isinstance(module, nn.RNNBase):
            module.train()  # cuDNN has no gradients of a recurrent layer in evaluation mode


def _hook(model: nn.Module, hooks: ExitStack) -> list[LayerMeasurement]:
    """Let the network's modules measure their outputs; return the list that gets the layers as they are used."""
    used: list[LayerMeasurement] = []
    seen: set[nn.Module] = set()

    def begin_layer(name: str, module: nn.Module, weights: Sequence[Tensor], output: object) -> None:
        if module not in seen:
            seen.add(module)
            used.append(LayerMeasurement(name=name, weights=weights, outputs=_measure(module, output)))

    def measure_activation(module: nn.Module, output: object) -> None:
        if used:
            used[-1].outputs = _measure(module, output)

    for name, module in model.named_modules():
        if weights := _list_weights(module):
            hook = module.register_forward_hook(
                lambda module, _, output, name=name, weights=weights: begin_layer(name, module, weights, output)
            )
        elif _is_activation(module):
            hook = module.register_forward_hook(lambda module, _, output: measure_activation(module, output))
        else:
            continue
        hooks.callback(hook.remove)
    return used


def _list_weights(module: nn.Module) -> list[nn.Parameter]:
    if isinstance(module, nn.LayerNorm | nn.RMSNorm):
        return []
    return [parameter for parameter in module.parameters(recurse=False) if parameter.ndim >= 2]


def _is_activation(module: nn.Module) -> bool:
    return isinstance(module, OWN) or type(module).__module__ == nn.ReLU.__module__


@torch.no_grad()
def _measure(module: nn.Module, output: object) -> dict[str, Tensor]:
    """Return what is measured of a module's output; recurrent layers return a pair, of which that is the first."""
    values = output[0] if isinstance(output, tuple) else output
    if not isinstance(values, Tensor) or not values.is_floating_point() or values.ndim < 2:
        zero = torch.zeros(())
        return {"mean": zero, "deviation": zero}
    values = values.detach().float()
    deviation, mean = torch.std_mean(values, correction=0)
    measured = {"mean": mean, "deviation": deviation}
    if isinstance(module, DYING) or _is_recurrent(module, "relu"):
        unit = 1 if values.ndim in (2, 4, 5) else -1  # channels of images, else features
        others = [axis for axis in range(values.ndim) if axis != unit % values.ndim]
        measured["dead"] = 1 - (values != 0).any(dim=others).float().mean()
    limits = (-1.0, 1.0) if _is_recurrent(module, "tanh") else LIMITS.get(type(module))
    if limits is not None:
        middle, half = sum(limits) / 2, (limits[1] - limits[0]) / 2
        measured["saturated"] = ((values - middle).abs() >= half * (1 - 2 * NEAR)).float().mean()
    return measured


def _is_recurrent(module: nn.Module, nonlinearity: str) -> bool:
    return isinstance(module, nn.RNN) and module.nonlinearity == nonlinearity


def _thin(layers: list[LayerMeasurement]) -> list[LayerMeasurement]:
    if len(layers) <= MOST_LAYERS:
        return layers
    last = len(layers) - 1
    return [layers[round(place * last / (MOST_LAYERS - 1))] for place in range(MOST_LAYERS)]


def _differentiate(loss: Tensor, layers: Sequence[LayerMeasurement]) -> None:
    """Give the layers their gradients, not the parameters: those may lie in a recorded graph's memory."""
    weights = [weight for layer in layers for weight in layer.weights if weight.requires_grad]
    if not weights:
        return
    gradients = dict(zip(weights, torch.autograd.grad(loss, weights, allow_unused=True), strict=True))
    for layer in layers:
        layer.gradients = [found for weight in layer.weights if (found := gradients.get(weight)) is not None]


def _norm(tensors: Sequence[Tensor]) -> Tensor:
    norms = [torch.linalg.vector_norm(tensor.float()) for tensor in tensors]
    total: Tensor = torch.linalg.vector_norm(torch.stack(norms))
    return total
