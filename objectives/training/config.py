"""How a network is trained: the fields that a study's space may use beside those of its model."""

from __future__ import annotations

from dataclasses import dataclass

from objectives.core.errors import ObjectiveError
from spaces import Choice


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Optimizer, schedule and batches of one training run."""

    optimizer: Choice | str = "adamw"
    """An entry of OPTIMIZERS with its options; `learning_rate` is among them or stands on its own."""
    learning_rate: float | None = None
    """Initial (or peak) learning rate, above 0, for an optimizer whose options have none."""
    schedule: Choice | str = "constant"
    """An entry of SCHEDULES with its options."""
    batch_size: int = 128
    """Examples in a batch, 1 or more; an incomplete last batch is left out."""
    label_smoothing: float = 0.0
    """Share of the target spread over all classes, 0 to below 1 (Szegedy et al. 2016)."""

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ObjectiveError(f"batch_size must be at least 1, but got {self.batch_size}")
        if not 0 <= self.label_smoothing < 1:
            raise ObjectiveError(f"0 <= label_smoothing < 1 must hold, but got {self.label_smoothing}")

    @property
    def optimizer_choice(self) -> Choice:
        """The optimizer with the learning rate among its options."""
        choice = self.optimizer if isinstance(self.optimizer, Choice) else Choice(self.optimizer)
        if "learning_rate" in choice.options:
            return choice
        if self.learning_rate is None:
            raise ObjectiveError(f"optimizer {choice.name!r} has no learning rate; add learning_rate to the space")
        return Choice(choice.name, {**choice.options, "learning_rate": self.learning_rate})

    @property
    def schedule_choice(self) -> Choice:
        """The schedule as a choice."""
        return self.schedule if isinstance(self.schedule, Choice) else Choice(self.schedule)
