"""Stages of a network that do not learn in the first epochs."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True, kw_only=True)
class Freeze:
    """Stages that are frozen for the first `epochs` epochs; after that, everything learns at a lower rate.

    rate_factor: factor of the schedule's learning rate after the freeze, above 0 and at most 1.
    """

    stages: tuple[nn.Module, ...]
    epochs: int
    rate_factor: float

    def factor(self, epoch: int) -> float:
        """Return the factor of the schedule's learning rate in this 0-based epoch."""
        return 1.0 if epoch < self.epochs else self.rate_factor

    def apply(self, epoch: int) -> None:
        """Freeze or unfreeze the stages for this 0-based epoch; must be called after `model.train()`.

        A frozen stage is in evaluation mode: its batch norm statistics do not change, and it has no dropout.
        """
        frozen = epoch < self.epochs
        for stage in self.stages:
            stage.requires_grad_(not frozen)
            stage.train(not frozen)
