"""Trying steps and taking them back: a copy of all that a step changes, written back in place."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from objectives.optimizers.execution import copy_optimizer_state, reset_optimizer_state
from objectives.training.random_states import get_random_states, set_random_states


def list_tensors(model: nn.Module) -> list[Tensor]:
    """Return a network's parameters and buffers, the objects themselves."""
    return [*model.parameters(), *model.buffers()]


class Rewind:
    """What a run's network, optimizer and random generators were when this object was made."""

    def __init__(self, model: nn.Module, optimizer: Optimizer, device: torch.device) -> None:
        self._tensors = list_tensors(model)
        self._buffers = [
            (module, name, buffer) for module in model.modules() for name, buffer in module.named_buffers(recurse=False)
        ]
        self._copies = copy_tensors(self._tensors)
        self._optimizer = optimizer
        self._optimizer_state = copy_optimizer_state(optimizer)
        self._device = device
        self._random = get_random_states(device)

    @torch.no_grad()
    def restore(self) -> None:
        """Make everything as it was, in the tensors that there were; a network may have replaced its buffers."""
        for module, name, buffer in self._buffers:
            setattr(module, name, buffer)
        for tensor, copied in zip(self._tensors, self._copies, strict=True):
            tensor.copy_(copied)
        reset_optimizer_state(self._optimizer, self._optimizer_state)
        set_random_states(self._random, self._device)

    def measure_change(self, ends: Sequence[Tensor]) -> float:
        """Return the l2 norm of the change from then to `ends`, over all tensors of floating point."""
        return measure_distance(self._copies, ends)


def copy_tensors(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return copies without gradients."""
    return [tensor.detach().clone() for tensor in tensors]


@torch.no_grad()
def measure_distance(first: Sequence[Tensor], second: Sequence[Tensor]) -> float:
    """Return the l2 norm of the difference of two lists of tensors; those of whole numbers are left out."""
    squares = [
        (one.double() - other.double()).square().sum()
        for one, other in zip(first, second, strict=True)
        if one.is_floating_point()
    ]
    return float(torch.stack(squares).sum().sqrt()) if squares else 0.0
