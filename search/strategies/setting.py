"""What a study gives its sampler and its pruner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from search.strategies.gp.learning_curves import CurveReader
    from search.strategies.gp.prior_study import PriorStudy
    from spaces import Space


@dataclass(frozen=True, kw_only=True)
class StrategySetting:
    """What a study gives its sampler and its pruner."""

    space: Space
    epochs: int
    """Epochs of a full training, 1 or more."""
    seed: int
    trials: int | None = None
    """Trials of the plan; None if the plan has no number of trials."""
    experience: Sequence[PriorStudy] = ()
    """Earlier studies, oldest first."""
    first_step: int = 0
    """The step under which trials report their first epoch."""
    repeats: int = 1
    """Trials of each configuration; `trials` counts them all."""
    points: int | None = None
    """Values of each range on a grid; None for all values."""

    @property
    def configurations(self) -> int | None:
        """Configurations of the plan; None if the plan has no number of trials."""
        return None if self.trials is None else -(-self.trials // self.repeats)

    @cached_property
    def reader(self) -> CurveReader:
        """What reads the study for its sampler and its pruner: each trial is converted once for both."""
        from search.strategies.gp.encoding import Encoding  # importing it imports Optuna
        from search.strategies.gp.learning_curves import CurveReader

        return CurveReader(Encoding(self.space), self.epochs, self.first_step)
