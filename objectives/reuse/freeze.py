"""Stages of a network that do not learn in the first epochs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import nn


@dataclass(frozen=True, kw_only=True)
class Freeze:
    """Stages that are frozen for the first `epochs` epochs; after that, everything learns at a lower rate.

    stages: from the input upwards. rate_factor: factor of the schedule's learning rate after the freeze, above 0 and at
    most 1. every: epochs between the release of a stage and of the one below it, the uppermost first (Howard and Ruder
    2018); 0 releases all at once. own_rates: parameters that learn at a multiple of every learning rate.
    """

    stages: tuple[nn.Module, ...]
    epochs: int
    rate_factor: float
    every: int = 0
    own_rates: Mapping[nn.Parameter, float] = field(default_factory=dict)

    def factor(self, epoch: int) -> float:
        """Return the factor of the schedule's learning rate in this 0-based epoch."""
        return 1.0 if epoch < self.epochs else self.rate_factor

    def apply(self, epoch: int) -> None:
        """Freeze or unfreeze the stages for this 0-based epoch; must be called after `model.train()`.

        A frozen stage is in evaluation mode: its batch norm statistics do not change, and it has no dropout.
        """
        for above, stage in enumerate(reversed(self.stages)):
            frozen = epoch < self.epochs + above * self.every
            stage.requires_grad_(not frozen)
            stage.train(not frozen)
