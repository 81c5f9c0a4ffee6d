"""What an objective is: data, space, and how a network comes out of a configuration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from typing import Any, Literal

from objectives.core.errors import ObjectiveError
from objectives.core.registry import look_up
from objectives.models.catalogue import MODELS
from objectives.training.config import TrainingConfig
from spaces import Configuration, Space

# build_model(config) -> torch.nn.Module; config also has image_shape (C, H, W), classes, epochs, seed.
BuildModel = Callable[[Configuration], Any]
# train(config, data, report) -> torch.nn.Module, reporting {"accuracy": ...} after every 0-based epoch.
Train = Callable[[Configuration, Any, Callable[..., None]], Any]

AUGMENTATIONS = ("flip", "crop")
PRECISIONS = ("auto", "float32", "bfloat16")


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What is trained: a data set, a space, and one of `model`, `build_model` or `train`.

    `model` names a shipped network; `build_model` brings one of the user's own, trained by the shipped loop;
    `train` brings the whole training. With the first, every name of the space must be a field of the
    network's configuration or of `TrainingConfig`: an option that nobody reads is an error.

    Raises:
        ObjectiveError: a field breaks its rule; the message names both.
    """

    data: str
    """A name in DATASETS, or that of a class folder under the data folder."""
    space: Space
    description: str = ""
    model: str | None = None
    build_model: BuildModel | None = None
    train: Train | None = None
    epochs: int = 10
    """Epochs of a full training, 1 or more."""
    trials: int = 50
    """Finished trials of a study, unless it says otherwise, 1 or more."""
    validation_fraction: float = 0.1
    """Share of the training examples held back for validation, above 0 and below 1."""
    image_size: int | None = None
    """Height and width in pixels that images of a class folder are resized to; None where they are equal."""
    augment: tuple[Literal["flip", "crop"], ...] = ()
    precision: Literal["auto", "float32", "bfloat16"] = "float32"

    def __post_init__(self) -> None:
        ways = [name for name in ("model", "build_model", "train") if getattr(self, name) is not None]
        if len(ways) != 1:
            raise ObjectiveError(
                "an objective needs exactly one of model, build_model and train, but got "
                + (", ".join(ways) or "none")
            )
        if self.epochs < 1 or self.trials < 1:
            raise ObjectiveError(
                f"epochs and trials must be at least 1, but got epochs={self.epochs}, trials={self.trials}"
            )
        if not 0 < self.validation_fraction < 1:
            raise ObjectiveError(f"0 < validation_fraction < 1 must hold, but got {self.validation_fraction}")
        unknown = set(self.augment) - set(AUGMENTATIONS)
        if unknown:
            raise ObjectiveError(f"unknown augmentation {min(unknown)!r}; known: {', '.join(AUGMENTATIONS)}")
        if self.precision not in PRECISIONS:
            raise ObjectiveError(f"unknown precision {self.precision!r}; known: {', '.join(PRECISIONS)}")
        if self.image_size is not None and self.image_size < 1:
            raise ObjectiveError(f"image_size must be at least 1 pixel, but got {self.image_size}")
        self._check_names()

    def _check_names(self) -> None:
        if self.model is None:
            return
        config = look_up(MODELS, self.model, "model").config
        used = {field.name for field in (*fields(config), *fields(TrainingConfig))}
        for name in self.space.domains:
            if name not in used:
                raise ObjectiveError(
                    f"neither model {self.model!r} nor the training reads {name!r}; "
                    f"they read {', '.join(sorted(used))}"
                )
        for field in fields(config):
            if field.name not in self.space.domains and field.default is MISSING:
                raise ObjectiveError(f"model {self.model!r} needs {field.name!r}; add it to the space")
