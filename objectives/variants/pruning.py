"""Weights set to zero after training, and how many are.

Weights are parameters of two or more dimensions; biases and norms are never pruned nor counted.
"""

from __future__ import annotations

from torch import nn
from torch.nn.utils import prune

from objectives.base.errors import ObjectiveError
from objectives.variants.copying import copy_for_prediction

_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def sparsity(model: nn.Module) -> float:
    """The share of a network's weights that are zero, 0 to 1."""
    found = [getattr(module, name) for module, name in _weights(model)]
    total = sum(weight.numel() for weight in found)
    return sum(int((weight == 0).sum()) for weight in found) / total if total else 0.0


def prune_unstructured(model: nn.Module, amount: float) -> nn.Module:
    """A copy with this share of all its weights set to zero: the smallest by magnitude, whatever their layer.

    Raises:
        ObjectiveError: the network has no weights.
    """
    pruned = copy_for_prediction(model)
    found = _weights(pruned)
    if not found:
        raise ObjectiveError("prune_unstructured needs a network with weights, but this one has none")
    for module, name in found:
        weight = getattr(module, name)
        weight.data = weight.data.contiguous()  # torch flattens them by `view`, which channels-last refuses
    prune.global_unstructured(found, prune.L1Unstructured, amount=float(amount))
    for module, name in found:
        prune.remove(module, name)  # type: ignore[no-untyped-call]
    return pruned


def prune_structured(model: nn.Module, amount: float) -> nn.Module:
    """A copy with all weights of some units of each linear and convolutional layer set to zero.

    In each layer, this share of its units (output channels), those whose weights have the smallest l2 norm, but
    never all of them. The output layer keeps all its classes: it is the network's `output` or, where there is no
    module of that name, the last such layer defined.

    Raises:
        ObjectiveError: there is no layer but the output's.
    """
    pruned = copy_for_prediction(model)
    layers = [module for module in pruned.modules() if isinstance(module, _LAYERS)]
    output = getattr(pruned, "output", None)
    kept = set(output.modules()) if isinstance(output, nn.Module) else set(layers[-1:])
    hidden = [layer for layer in layers if layer not in kept]
    if not hidden:
        raise ObjectiveError(
            "prune_structured needs a linear or convolutional layer beside the output layer, but this network "
            "has none; leave the variant out"
        )
    for layer in hidden:
        units = len(layer.weight)
        count = min(round(amount * units), units - 1)
        prune.ln_structured(layer, "weight", amount=count, n=2, dim=0)  # type: ignore[no-untyped-call]
        prune.remove(layer, "weight")  # type: ignore[no-untyped-call]
    return pruned


def _weights(model: nn.Module) -> list[tuple[nn.Module, str]]:
    """Each weight's module and name there; one that several modules share stands once."""
    found: dict[int, tuple[nn.Module, str]] = {}
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.ndim >= 2:
                found.setdefault(id(parameter), (module, name))
    return list(found.values())
