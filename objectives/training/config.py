"""How a network is trained: the fields that a study's space may use beside those of its model."""

from __future__ import annotations

from dataclasses import dataclass

from objectives.base.errors import ObjectiveError
from objectives.base.registry import as_choice
from objectives.regularizers.catalogue import check_fields
from spaces import Choice


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Everything but the network of one training run; limits stand in REGULARIZERS."""

    optimizer: Choice | str = "adamw"
    """An entry of OPTIMIZERS with its options; `learning_rate` is among them or stands on its own."""
    learning_rate: float | None = None
    """Initial (or peak) learning rate, above 0, for an optimizer whose options have none."""
    weight_decay: float | None = None
    """Decoupled weight decay, for an optimizer that has it and whose options do not say."""
    schedule: Choice | str = "constant"
    """An entry of SCHEDULES with its options."""
    warmup_epochs: int = 0
    """Epochs over which the learning rate rises linearly to the schedule's first, before the schedule begins."""
    warmup_start: float = 0.1
    """What fraction of that it begins with."""
    clipping: Choice | str = "none"
    """An entry of CLIPPINGS with its options."""
    batch_size: int = 128
    """Examples in a batch, 1 or more; an incomplete last batch is left out."""
    label_smoothing: float = 0.0
    """Share of the target spread over all classes, 0 to below 1."""
    l1: float = 0.0
    """Loss term: this times the sum of absolute weights; biases and norms are left out."""
    l2: float = 0.0
    """Loss term: this times the sum of squared weights; biases and norms are left out."""
    max_norm: float = 0.0
    """Largest l2 norm of a unit's incoming weights (a kernel's, for convolutions); 0 for none."""
    early_stopping: int = 0
    """Epochs without a better validation accuracy after which the training ends; 0 for never."""
    swa: bool = False
    """Average the weights over the schedule's dips; an epoch with a dip is valued by the average so far."""
    flip: bool = False
    """Mirror half of the training images left to right."""
    crop: int = 0
    """Move training images by up to so many pixels."""
    cutout: int = 0
    """Side of a square wiped to the mean colour in each training image, in pixels."""
    reuse: Choice | str = "none"
    """An entry of REUSES with its options: where the lower stages' first weights come from."""

    def __post_init__(self) -> None:
        """Raises ObjectiveError: a field breaks its rule."""
        if self.batch_size < 1:
            raise ObjectiveError(f"batch_size must be at least 1, but got {self.batch_size}")
        check_fields(self)

    @property
    def optimizer_choice(self) -> Choice:
        """The optimizer with the learning rate (and weight decay) among its options.

        Raises:
            ObjectiveError: there is no learning rate.
        """
        choice = as_choice(self.optimizer)
        own = {"learning_rate": self.learning_rate, "weight_decay": self.weight_decay}
        options = {**{name: value for name, value in own.items() if value is not None}, **choice.options}
        if "learning_rate" not in options:
            raise ObjectiveError(f"optimizer {choice.name!r} has no learning rate; add learning_rate to the space")
        return Choice(choice.name, options)
