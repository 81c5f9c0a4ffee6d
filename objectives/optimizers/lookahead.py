"""Lookahead around any optimizer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

COUNT, SLOW = "lookahead_steps", "lookahead_slow"
"""Names in a parameter's state: the steps since the last synchronization, and the slow weights."""


class Lookahead(Optimizer):
    """The optimizer's weights are pulled back every `steps` steps: slow weights follow them by the share `share`.

    slow <- slow + share (weights - slow), then weights <- slow (Zhang et al. 2019, algorithm 1). `param_groups` and
    `state` are those of the inner optimizer, which also hold the slow weights, so a checkpoint has everything.
    """

    def __init__(self, inner: Optimizer, *, steps: int, share: float) -> None:
        self.inner, self.steps, self.share = inner, steps, share
        super().__init__(inner.param_groups, {})
        self._share_state()

    def _share_state(self) -> None:
        self.param_groups, self.state = self.inner.param_groups, self.inner.state

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take a step of the inner optimizer, and synchronize where it is time; return the closure's loss."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        learning = [weight for group in self.param_groups for weight in group["params"] if weight.grad is not None]
        # Remembered before the step: its state tells an optimizer whether it has seen a parameter.
        begun = {weight: self._begin(weight) for weight in learning}
        self.inner.step()
        for weight, (done, slow) in begun.items():
            self.state[weight].update({SLOW: slow, COUNT: (done + 1) % self.steps})
            if done + 1 == self.steps:
                weight.copy_(slow.lerp_(weight, self.share))
        return loss

    def _begin(self, weight: Tensor) -> tuple[int, Tensor]:
        """Return the steps since the last synchronization, and the slow weights of that time."""
        kept = self.state.get(weight, {})
        done = kept.pop(COUNT, None) or 0
        slow = kept.pop(SLOW, None)
        if slow is None:
            slow = weight.detach().clone()
        elif done == 0:
            slow.copy_(weight)
        return done, slow

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from what `state_dict()` of another one over equal parameters returned."""
        self.inner.load_state_dict(state_dict)
        self._share_state()
