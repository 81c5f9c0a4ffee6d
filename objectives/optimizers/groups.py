"""Which parameters of a network are weights, and an optimizer over all of them."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn
from torch.optim import Optimizer

from objectives.base.registry import resolve
from objectives.optimizers.catalogue import OPTIMIZERS, Groups
from spaces import Choice


def trainable_weights(model: nn.Module) -> list[nn.Parameter]:
    """The weights that are trained at this moment (`requires_grad`), from the input upwards.

    What has fewer than two dimensions is none (biases, norms, learned slopes), nor are biases and norms that have.
    """
    return [weight for _, _, weight in _named_weights(model) if weight.requires_grad]


def build_optimizer(model: nn.Module, choice: Choice) -> Optimizer:
    """The chosen optimizer over all parameters of the network, those that are frozen at this moment included.

    A parameter without a gradient is left as it is in every step, so that freezing is a matter of `requires_grad`.
    Biases and norms take no weight decay.

    Raises:
        ObjectiveError: unknown optimizer or option, or a value beyond its limits.
    """
    entry, options = resolve(OPTIMIZERS, choice, "optimizer")
    return entry.build([group for group in _groups(model) if group["params"]], **options)


def _groups(model: nn.Module) -> Groups:
    """Every parameter in one of three groups, marked as `catalogue.Groups` has it."""
    every = [weight for _, _, weight in _named_weights(model)]
    hidden = set(_hidden(model))
    known = set(every)
    return [
        {"params": [p for p in every if p in hidden], "decays": True, "hidden": True},
        {"params": [p for p in every if p not in hidden], "decays": True, "hidden": False},
        {"params": [p for p in model.parameters() if p not in known], "decays": False, "hidden": False},
    ]


def _hidden(model: nn.Module) -> Iterator[nn.Parameter]:
    """The weights between the input layer and the output layer, in the order of definition.

    Muon is for these: input and output layers do better with AdamW although they are matrices as well, and so do
    the first kernels of a convolutional network (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon,
    "Empirical considerations"; https://github.com/KellerJordan/Muon, "Usage").
    """
    named = list(_named_weights(model))
    if not named:
        return
    entrance, first, _ = named[0]
    for module, name, weight in named[:-1]:
        # A recurrent layer has a second input matrix where it reads in both directions, weight_ih_l0_reverse.
        if not (module is entrance and name.startswith(first)):
            yield weight


def _named_weights(model: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Parameter]]:
    """Every weight once, with the module that owns it and its name there, in the order of `parameters()`."""
    seen: set[nn.Parameter] = set()
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            norm = isinstance(module, nn.LayerNorm | nn.RMSNorm)
            if parameter.ndim >= 2 and not norm and not name.startswith("bias") and parameter not in seen:
                seen.add(parameter)
                yield module, name, parameter
