"""Pruning: weights set to zero after training.

Weights are parameters with two or more dimensions; biases and norms are neither pruned nor counted.
"""

from __future__ import annotations

from torch import nn
from torch.nn.utils import prune

from objectives.base.errors import ObjectiveError
from objectives.variants.copying import copy_for_prediction

_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def measure_sparsity(model: nn.Module) -> float:
    """Return the fraction of a network's weights that are zero, 0 to 1."""
    found = [getattr(module, name) for module, name in _find_weights(model)]
    total = sum(weight.numel() for weight in found)
    return sum(int((weight == 0).sum()) for weight in found) / total if total else 0.0


def prune_unstructured(model: nn.Module, amount: float) -> nn.Module:
    """Return a copy with the fraction `amount` of all weights, the smallest in magnitude, set to zero.

    Raises:
        ObjectiveError: the network has no weights.
    """
    pruned = copy_for_prediction(model)
    found = _find_weights(pruned)
    if not found:
        raise ObjectiveError("prune_unstructured needs a network with weights, but this one has none")
    for module, name in found:
        weight = getattr(module, name)
        weight.data = weight.data.contiguous()  # torch flattens them by `view`, which fails in channels-last memory
    prune.global_unstructured(found, prune.L1Unstructured, amount=float(amount))
    for module, name in found:
        prune.remove(module, name)  # type: ignore[no-untyped-call]
    return pruned


def prune_structured(model: nn.Module, amount: float) -> nn.Module:
    """Return a copy in which some units (output channels) of each linear and convolutional layer have zero weights.

    In each layer these are the fraction `amount` of the units, those whose weights have the smallest l2 norm, but
    never all units. The output layer is not pruned: it is the network's `output` or, if there is no module of that
    name, the last such layer defined.

    Raises:
        ObjectiveError: there is no layer besides the output layer.
    """
    pruned = copy_for_prediction(model)
    layers = [module for module in pruned.modules() if isinstance(module, _LAYERS)]
    output = getattr(pruned, "output", None)
    kept = set(output.modules()) if isinstance(output, nn.Module) else set(layers[-1:])
    hidden = [layer for layer in layers if layer not in kept]
    if not hidden:
        raise ObjectiveError(
            "prune_structured needs a linear or convolutional layer besides the output layer, but this network "
            "has none; remove the variant"
        )
    for layer in hidden:
        units = len(layer.weight)
        count = min(round(amount * units), units - 1)
        prune.ln_structured(layer, "weight", amount=count, n=2, dim=0)  # type: ignore[no-untyped-call]
        prune.remove(layer, "weight")  # type: ignore[no-untyped-call]
    return pruned


def _find_weights(model: nn.Module) -> list[tuple[nn.Module, str]]:
    """Return each weight's module and name there; a weight that several modules share is listed once."""
    found: dict[int, tuple[nn.Module, str]] = {}
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.ndim >= 2:
                found.setdefault(id(parameter), (module, name))
    return list(found.values())
