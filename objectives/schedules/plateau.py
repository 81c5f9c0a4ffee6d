"""The schedule that looks at the validation metrics."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from objectives.schedules import factors
from objectives.schedules.rates import State

SMALLEST_REDUCTION = 1e-8
"""A reduction by less is left out, as in torch."""


@dataclass(kw_only=True)
class PlateauRates:
    """One reduction whenever more than `patience` epochs in a row brought no improvement.

    The rule is that of torch.optim.lr_scheduler.ReduceLROnPlateau with a relative threshold: a validation loss is an
    improvement if it is lower than the best so far by more than the share `threshold` of it, an accuracy if it is
    higher by more. After a reduction, `cooldown` epochs do not count as waiting. The learning rate does not fall below
    `min_lr`. The first `skipped` epochs are not looked at.
    """

    factor: float
    mode: str
    patience: int
    threshold: float
    cooldown: int
    min_lr: float
    skipped: int
    initial: float
    epochs: int
    seen: int = field(default=0, init=False)
    best: float | None = field(default=None, init=False)
    waited: int = field(default=0, init=False)
    cooling: int = field(default=0, init=False)
    reductions: int = field(default=0, init=False)

    def at(self, epoch: int, fraction: float) -> float:
        return self._reduced(self.reductions)

    def momentum(self, epoch: int, fraction: float) -> float | None:
        return None

    def has_dip(self, epoch: int, start: float, end: float) -> bool:
        return False

    def observe(self, loss: float, accuracy: float) -> None:
        self.seen += 1
        if self.seen <= self.skipped:
            return
        value = accuracy if self.mode == "accuracy" else loss
        if self._improves(value):
            self.best, self.waited = value, 0
        else:
            self.waited += 1
        if self.cooling > 0:
            self.cooling, self.waited = self.cooling - 1, 0
        if self.waited > self.patience:
            self.cooling, self.waited = self.cooldown, 0
            if self._reduced(self.reductions) - self._reduced(self.reductions + 1) > SMALLEST_REDUCTION:
                self.reductions += 1

    def _improves(self, value: float) -> bool:
        if self.best is None:
            return math.isfinite(value)
        if self.mode == "accuracy":
            return value > self.best * (1 + self.threshold)
        return value < self.best * (1 - self.threshold)

    def _reduced(self, reductions: int) -> float:
        """Return the learning rate after this number of reductions; a first rate below `min_lr` is left as it is."""
        reduced = self.initial * factors.plateau(reductions, self.epochs, factor=self.factor)
        return max(reduced, min(self.min_lr, self.initial))

    def state(self) -> dict[str, float]:
        best = {} if self.best is None else {"best": self.best}
        counted = {name: getattr(self, name) for name in ("seen", "waited", "cooling", "reductions")}
        return {**counted, **best}

    def restore(self, state: State) -> None:
        self.seen, self.waited, self.reductions = (int(state[name]) for name in ("seen", "waited", "reductions"))
        self.cooling = int(state.get("cooling", 0))  # checkpoints had none once
        self.best = state.get("best")
