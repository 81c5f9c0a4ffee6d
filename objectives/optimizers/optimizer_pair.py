"""Two optimizers as one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.optim import Optimizer


class OptimizerPair(Optimizer):
    """Two optimizers over different parameters, used as one.

    `param_groups` has the groups of the first, then those of the second, and `state` the state of both. They are the
    same objects that the two use, so that setting a group's "lr" affects them. `state_dict` has torch's own format.
    """

    def __init__(self, first: Optimizer, second: Optimizer) -> None:
        self.parts = (first, second)
        super().__init__([*first.param_groups, *second.param_groups], {})
        self._share()

    def _share(self) -> None:
        first, second = self.parts
        size = len(first.param_groups)
        first.param_groups, second.param_groups = self.param_groups[:size], self.param_groups[size:]
        first.state = second.state = self.state

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take a step of each; return the closure's loss if there is a closure."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for part in self.parts:
            part.step()
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from what `state_dict()` of another pair over equal parameters returned."""
        super().load_state_dict(state_dict)
        self._share()
