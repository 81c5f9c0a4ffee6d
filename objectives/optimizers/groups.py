"""Which parameters of a network are weights, and an optimizer over all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer

from objectives.base.errors import ObjectiveError
from objectives.base.registry import resolve
from objectives.optimizers.catalogue import OPTIMIZERS, Groups
from spaces import Choice

Rate = TypeVar("Rate", float, float | Tensor)


def trainable_weights(model: nn.Module) -> list[nn.Parameter]:
    """Return the weights that are trained at this moment (`requires_grad`), from the input upwards.

    Parameters with fewer than two dimensions are not weights (biases, norms, learned slopes), and neither are biases
    and norms with more.
    """
    return [weight for _, _, weight in _named_weights(model) if weight.requires_grad]


def build_optimizer(
    model: nn.Module,
    choice: Choice,
    *,
    bias_rate: float = 1.0,
    own_rates: Mapping[nn.Parameter, float] | None = None,
) -> Optimizer:
    """Return the chosen optimizer over all parameters of the network, including those that are frozen at this moment.

    A step leaves parameters without a gradient unchanged, so `requires_grad` alone freezes them. Biases and norms have
    no weight decay, and `bias_rate` times the learning rate of the weights. `own_rates` has the parameters that learn
    at a multiple of their learning rate (see `scale_rate`).

    Raises:
        ObjectiveError: the optimizer or an option is unknown, or a value is beyond its limits; or the network has lazy
            layers, whose parameters cannot be told apart yet.
    """
    if any(map(is_lazy, model.parameters())):
        raise ObjectiveError(
            f"the {type(model).__name__} has lazy layers without parameters; call it on images before its optimizer is "
            "built"
        )
    entry, options = resolve(OPTIMIZERS, choice, "optimizer")
    groups = _split_by_rate(_group_parameters(model, bias_rate), own_rates or {})
    return entry.build([group for group in groups if group["params"]], **options)


def _split_by_rate(groups: Groups, own_rates: Mapping[nn.Parameter, float]) -> Groups:
    """Return the groups, each divided into one for each multiple of the learning rate."""
    return [
        {
            **group,
            "params": [p for p in group["params"] if own_rates.get(p, 1.0) == factor],
            **({} if factor == 1.0 else {"rate_factor": group.get("rate_factor", 1.0) * factor}),
        }
        for group in groups
        for factor in dict.fromkeys((1.0, *own_rates.values()))
    ]


def scale_rate(group: Mapping[str, Any], learning_rate: Rate) -> Rate:
    """Return a parameter group's own learning rate, given that of the weights."""
    factor = group.get("rate_factor", 1.0)
    return learning_rate if factor == 1.0 else learning_rate * factor


def _group_parameters(model: nn.Module, bias_rate: float) -> Groups:
    """Return every parameter in one of three groups, with the flags of `catalogue.Groups`."""
    weights = [weight for _, _, weight in _named_weights(model)]
    weight_set = set(weights)
    hidden = set(_hidden_weights(model))
    return [
        {"params": [p for p in weights if p in hidden], "decays": True, "hidden": True},
        {"params": [p for p in weights if p not in hidden], "decays": True, "hidden": False},
        {
            "params": [p for p in model.parameters() if p not in weight_set],
            "decays": False,
            "hidden": False,
            "rate_factor": bias_rate,
        },
    ]


def _hidden_weights(model: nn.Module) -> Iterator[nn.Parameter]:
    """Yield the weights between the input layer and the output layer, in the order of definition.

    Muon is only for these: input and output layers are matrices as well, but do better with AdamW, and so do the first
    kernels of a convolutional network (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon, "Empirical
    considerations"; https://github.com/KellerJordan/Muon, "Usage").
    """
    named = list(_named_weights(model))
    if not named:
        return
    input_layer, input_name, _ = named[0]
    for module, name, weight in named[:-1]:
        # A bidirectional recurrent layer has a second input matrix, weight_ih_l0_reverse.
        if not (module is input_layer and name.startswith(input_name)):
            yield weight


def _named_weights(model: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Parameter]]:
    """Yield every weight once, with the module that owns it and its name there, in the order of `parameters()`."""
    seen: set[nn.Parameter] = set()
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            norm = isinstance(module, nn.LayerNorm | nn.RMSNorm)
            if parameter.ndim >= 2 and not norm and not name.startswith("bias") and parameter not in seen:
                seen.add(parameter)
                yield module, name, parameter
