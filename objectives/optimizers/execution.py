"""How an optimizer's step runs on a device: in few kernels, and so that a CUDA graph can hold it.

None of this changes what an optimizer computes. A graph replays the numbers of the moment at which it was captured, so
the learning rate must be a tensor, and whatever else a step changes as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, Adam, Adamax, AdamW, NAdam, Optimizer, RMSprop

from objectives.optimizers.decoupled_sgd import DecoupledSGD
from objectives.optimizers.lookahead import Lookahead

FUSED = (SGD, DecoupledSGD, Adam, AdamW)
"""Optimizers of which torch has one kernel for all parameters, which reads the learning rate from a tensor."""
CAPTURABLE = (Adamax, NAdam, RMSprop)
"""Optimizers that have a step on CUDA without a look from the host."""

EXECUTION_OPTIONS = ("fused", "foreach", "capturable")
"""Options of parameter groups that say how a step runs; a checkpoint may come from another device."""

INITIAL_STATE = {"mu_product": 1.0}
"""What a state's tensor is before the first step; 0 for all others (torch.optim of 2.11 and 2.14)."""


def choose_execution(optimizer: Optimizer, device: torch.device) -> None:
    """Let the optimizer's steps run in few kernels on a CUDA device."""
    if device.type != "cuda":
        return
    kind = type(optimizer.inner if isinstance(optimizer, Lookahead) else optimizer)
    for group in optimizer.param_groups:
        if kind in FUSED:
            group.update(fused=True, foreach=False)
        if kind in CAPTURABLE:
            group.update(foreach=True)
        if "capturable" in group:
            group.update(capturable=True)


def is_capturable(optimizer: Optimizer, device: torch.device) -> bool:
    """Return whether a graph can hold the optimizer's step, given a learning rate that is a tensor."""
    return type(optimizer) in FUSED or (type(optimizer) in CAPTURABLE and device.type == "cuda")


def load_optimizer_state(optimizer: Optimizer, state: Mapping[str, Any]) -> None:
    """Continue from what `state_dict()` returned, perhaps on another kind of device."""
    groups = [
        {**saved, **{name: own[name] for name in EXECUTION_OPTIONS if name in own}}
        for saved, own in zip(state["param_groups"], optimizer.param_groups, strict=True)
    ]
    optimizer.load_state_dict({**state, "param_groups": groups})


def copy_optimizer_state(optimizer: Optimizer) -> dict[Tensor, dict[str, Any]]:
    """Return a copy of what the optimizer keeps for each parameter."""
    return {
        parameter: {name: value.clone() if isinstance(value, Tensor) else value for name, value in kept.items()}
        for parameter, kept in optimizer.state.items()
    }


def reset_optimizer_state(optimizer: Optimizer, copied: Mapping[Tensor, Mapping[str, Any]]) -> None:
    """Write a copied state back in place; what was not there when it was copied becomes as before the first step.

    The tensors stay the same objects, because a graph knows their addresses.
    """
    for parameter, kept in optimizer.state.items():
        for name, value in kept.items():
            before = copied.get(parameter, {}).get(name)
            if not isinstance(value, Tensor):
                kept[name] = before
            elif before is None:
                value.fill_(INITIAL_STATE.get(name, 0.0))
            else:
                value.copy_(before)
