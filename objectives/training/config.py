"""How a network is trained: the fields that a study's space may use besides those of its model."""

from __future__ import annotations

from dataclasses import dataclass, fields

from objectives.base.errors import ObjectiveError
from objectives.base.registry import as_choice
from objectives.data.batches.augmentation import Augmentation
from objectives.regularizers.catalogue import check_fields
from spaces import Choice


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Everything about one training run except the network; the fields' limits are in REGULARIZERS."""

    optimizer: Choice | str = "adamw"
    """An entry of OPTIMIZERS with its options; `learning_rate` is one of them, or the field below."""
    learning_rate: float | None = None
    """Initial (or peak) learning rate, above 0; used if the optimizer's options have none."""
    weight_decay: float | None = None
    """Decoupled weight decay; used if the optimizer supports it and its options have none, or 0."""
    schedule: Choice | str = "constant"
    """An entry of SCHEDULES with its options."""
    warmup_epochs: int = 0
    """Epochs over which the learning rate rises linearly to the schedule's first value, before the schedule starts."""
    warmup_start: float = 0.1
    """The fraction of the schedule's first value that the warm-up starts at."""
    bias_rate: float = 1.0
    """The learning rate of biases and norms as a multiple of that of the weights, above 0."""
    lookahead: int = 0
    """Steps between two synchronizations of Lookahead's slow weights; 0 for none."""
    lookahead_share: float = 0.5
    """The share of the way that the slow weights then go towards the others."""
    clipping: Choice | str = "none"
    """An entry of CLIPPINGS with its options."""
    batch_size: int = 128
    """Examples in a batch, 1 or more; an incomplete last batch is skipped."""
    label_smoothing: float = 0.0
    """Fraction of the target spread over all classes, 0 to below 1."""
    l1: float = 0.0
    """Factor of a loss term, the sum of absolute weights without biases and norms."""
    l2: float = 0.0
    """Factor of a loss term, the sum of squared weights without biases and norms."""
    max_norm: float = 0.0
    """Largest l2 norm of a unit's incoming weights (a kernel's, for convolutions); 0 for none."""
    early_stopping: int = 0
    """Epochs without a better validation accuracy after which training ends; 0 for never."""
    swa: bool = False
    """Whether to average the weights over the schedule's dips; an epoch with a dip is valued by the average so far."""
    flip: bool = False
    """Whether to mirror half of the training images left to right."""
    alternating_flip: bool = False
    """Whether to mirror each training image in every second epoch."""
    crop: int = 0
    """Pixels by which training images are moved at most."""
    crop_padding: str = "zeros"
    """What fills the gap that a moved image leaves: `zeros` for black, or `reflect`."""
    brightness: float = 0.0
    """The most by which the factor of a training image's pixels differs from 1."""
    contrast: float = 0.0
    """The most by which the factor of its pixels' differences from its mean gray differs from 1."""
    cutout: int = 0
    """Side, in pixels, of a square that is set to the mean colour in each training image."""
    reuse: Choice | str = "none"
    """An entry of REUSES with its options: the source of the lower stages' initial weights."""

    def __post_init__(self) -> None:
        """Raise `ObjectiveError` if a field breaks its rule."""
        if self.batch_size < 1:
            raise ObjectiveError(f"batch_size must be at least 1, but got {self.batch_size}")
        check_fields(self)

    @property
    def augmentation(self) -> Augmentation:
        """The random changes of training images."""
        return Augmentation(**{field.name: getattr(self, field.name) for field in fields(Augmentation)})

    @property
    def optimizer_choice(self) -> Choice:
        """The optimizer with the learning rate (and weight decay) among its options.

        Raises:
            ObjectiveError: neither the options nor the fields have a learning rate.
        """
        choice = as_choice(self.optimizer)
        own = {"learning_rate": self.learning_rate, "weight_decay": self.weight_decay}
        given = {name: value for name, value in choice.options.items() if name != "weight_decay" or value}
        options = {**{name: value for name, value in own.items() if value is not None}, **given}
        if "learning_rate" not in options:
            raise ObjectiveError(f"optimizer {choice.name!r} has no learning rate; add learning_rate to the space")
        return Choice(choice.name, options)
