"""Stages that do not learn at first."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True, kw_only=True)
class Freeze:
    """Keeps `stages` as they are for the first `epochs` epochs; then everything learns, more slowly.

    rate_factor: what the schedule's learning rate is multiplied by from then on, above 0 and at most 1.
    """

    stages: tuple[nn.Module, ...]
    epochs: int
    rate_factor: float

    def factor(self, epoch: int) -> float:
        """What the schedule's learning rate is multiplied by in this 0-based epoch."""
        return 1.0 if epoch < self.epochs else self.rate_factor

    def set(self, epoch: int) -> None:
        """Freeze the stages or let them learn, as this 0-based epoch has it; to be called after `model.train()`.

        A frozen stage is in evaluation mode: its batch norm statistics stay, and it drops nothing.
        """
        frozen = epoch < self.epochs
        for stage in self.stages:
            stage.requires_grad_(not frozen)
            stage.train(not frozen)
