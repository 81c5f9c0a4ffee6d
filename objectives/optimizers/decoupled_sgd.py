"""Stochastic gradient descent with decoupled weight decay."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.optim import SGD

DECAY = "shrinkage"
"""The key of a group's weight decay: under torch's own, SGD adds weights to gradients, and Adam has "decoupled_..."."""


class DecoupledSGD(SGD):
    """SGDW: weights shrink by the share (learning rate * weight decay) in every step, apart from gradient and momentum.

    Loshchilov & Hutter 2019, algorithm 1; as in torch's AdamW, the decay scales with the learning rate.
    """

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take a step; return the closure's loss if there is a closure."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self._shrink()
        super().step()
        return loss

    @torch.no_grad()
    def _shrink(self) -> None:
        for group in self.param_groups:
            # What has no gradient is frozen.
            weights = [weight for weight in group["params"] if weight.grad is not None]
            if group[DECAY] and weights:
                torch._foreach_mul_(weights, 1 - group["lr"] * group[DECAY])
