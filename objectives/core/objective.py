"""What an objective is: a data set, a space, and a way to train one configuration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from typing import Any, Literal

from objectives.base.errors import ObjectiveError
from objectives.base.registry import look_up
from objectives.base.technique import name_of
from objectives.core.catalogue import entries_with_option
from objectives.core.conditions import check_conditions, check_options, check_places, check_stages
from objectives.core.cycled_momentum import separate_cycled_momentum
from objectives.models.catalogue import MODELS, ModelEntry
from objectives.models.config import ImageShape
from objectives.schedules.building import build_rates
from objectives.training.config import TrainingConfig
from spaces import Configuration, Space, corners

# build_model(config) -> torch.nn.Module; config also has image_shape (C, H, W), classes, epochs, seed.
BuildModel = Callable[[Configuration], Any]
# train(config, data, report) -> torch.nn.Module, reporting {"accuracy": ...} after every 0-based epoch.
Train = Callable[[Configuration, Any, Callable[..., None]], Any]

PRECISIONS = ("auto", "float32", "bfloat16")
EXAMPLES_PER_DEVICE = 2
"""Fewest examples of a batch for each of several devices; batch norm needs two."""


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What is trained: a data set, a space, and one of `model`, `build_model` or `train`.

    `model` names a shipped network; `build_model` supplies a network of the user's, trained by the shipped loop;
    `train` supplies the whole training. With `model`, every name of the space must be a field of the network's
    configuration or of `TrainingConfig`, or a recipe: an option that nothing reads is an error. So is a space that
    contains a configuration which one of its techniques forbids.

    Raises:
        ObjectiveError: a field breaks a rule; the message names the value and the rule.
    """

    data: str
    """A name in DATASETS, or the name of a class folder under the data folder."""
    space: Space
    description: str = ""
    model: str | None = None
    build_model: BuildModel | None = None
    train: Train | None = None
    epochs: int = 10
    """Epochs of a whole training, 1 or more."""
    trials: int = 50
    """Default number of a study's finished trials, 1 or more."""
    classes: tuple[str, ...] | None = None
    """The classes of the data set to use, numbered in this order; None for all."""
    train_examples: int | None = None
    """How many labelled images to train on, if a study is about few labels; None for all."""
    validation_fraction: float = 0.1
    """Fraction of the training examples held back for validation, above 0 and below 1."""
    retrain_on_validation: bool = True
    """Whether the final training uses the validation images, too; False if a study is about few labels."""
    image_size: int | None = None
    """Height and width in pixels that images of a class folder are resized to; None if they all have one size."""
    precision: Literal["auto", "float32", "bfloat16"] = "float32"
    devices: int = 1
    """How many devices train one trial together, 1 or more; each gets its share of every batch."""

    def __post_init__(self) -> None:
        ways = [name for name in ("model", "build_model", "train") if getattr(self, name) is not None]
        if len(ways) != 1:
            raise ObjectiveError(
                "an objective needs exactly one of model, build_model and train, but got " + (", ".join(ways) or "none")
            )
        self._check_names()
        if self.train is None:
            schedule = name_of(self.field_defaults()["schedule"])
            check_places(self.space)
            object.__setattr__(self, "space", separate_cycled_momentum(self.space, str(schedule)))
        # Before the numbers: for validation_fraction=0, a condition's message says more.
        check_conditions(self.space, self.field_defaults())
        self._check_numbers()
        if self.network is not None:
            check_stages(self.space)
        self.check_images()
        self.check_epochs(self.epochs)
        self._check_shares()

    @property
    def network(self) -> ModelEntry | None:
        """The entry of the shipped network; None if the objective supplies its own."""
        return None if self.model is None else look_up(MODELS, self.model, "model")

    @property
    def defaults(self) -> dict[str, object]:
        """The training fields' defaults for this network, which the space may replace."""
        return {} if self.network is None else dict(self.network.defaults)

    def check_images(self, image_shape: ImageShape | None = None) -> None:
        """Raise `ObjectiveError` if the space has an impossible size, or one that these images are too small for.

        image_shape: (channels, height, width); None if the images are not known yet. The message names the size
        and the field.
        """
        network = self.network
        if network is None:
            return
        needed = {field.name: 1 for field in fields(network.config) if field.default is MISSING}
        for corner in corners(self.space, network.sizes):
            config = Configuration({**needed, **corner}).into(network.config)
            if image_shape is not None:
                network.check(config, image_shape)

    def check_epochs(self, epochs: int) -> None:
        """Raise `ObjectiveError` if a schedule of the space needs more epochs; the message names the option."""
        defaults = self.field_defaults()
        for corner in corners(self.space, {"schedule", "warmup_epochs"} & self.read_fields().keys()):
            config = {**defaults, **corner}
            if "schedule" in config:
                build_rates(config["schedule"], 1.0, epochs, warmup_epochs=config["warmup_epochs"])

    def _check_numbers(self) -> None:
        for name in ("epochs", "trials", "train_examples", "image_size", "devices"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ObjectiveError(f"{name} must be at least 1, but got {name}={value}")
        if not 0 < self.validation_fraction < 1:
            raise ObjectiveError(f"0 < validation_fraction < 1 must hold, but got {self.validation_fraction}")
        if self.precision not in PRECISIONS:
            raise ObjectiveError(f"unknown precision {self.precision!r}; known: {', '.join(PRECISIONS)}")
        if self.classes is not None and len(set(self.classes)) != max(2, len(self.classes)):
            raise ObjectiveError(f"classes must be two or more different names, but got {list(self.classes)}")

    def _check_shares(self) -> None:
        smallest = EXAMPLES_PER_DEVICE * self.devices
        if self.train is not None or self.devices == 1:
            return
        for corner in corners(self.space, {"batch_size"}):
            size = corner.get("batch_size", self.field_defaults()["batch_size"])
            if size < smallest:
                raise ObjectiveError(
                    f"batch_size must be at least {smallest} with devices={self.devices}, {EXAMPLES_PER_DEVICE} "
                    f"examples for each, but got batch_size={size}"
                )

    def read_fields(self) -> dict[str, Any]:
        """Return the fields that shipped code reads, with their defaults."""
        kinds = [] if self.train is not None else [TrainingConfig]
        kinds += [] if self.network is None else [self.network.config]
        return {field.name: field.default for kind in kinds for field in fields(kind)}

    def field_defaults(self) -> dict[str, Any]:
        if self.train is not None:
            return {}
        known = {name: default for name, default in self.read_fields().items() if default is not MISSING}
        named = {} if self.model is None else {"model": self.model}
        return {**known, **self.defaults, **named, "validation": self.validation_fraction > 0}

    def _check_names(self) -> None:
        read = self.read_fields()
        check_options(self.space, read)
        if self.model is None:
            return
        names = self.space.names()
        for name in names:
            if name not in read and name not in self.space.recipes():
                owners = entries_with_option(name)
                raise ObjectiveError(
                    f"neither model {self.model!r} nor the training reads {name!r}; "
                    + (
                        f"it is an option of {' and '.join(owners)}"
                        if owners
                        else f"they read {', '.join(sorted(read))}"
                    )
                )
        for name, default in read.items():
            if default is MISSING and any(name not in corner for corner in corners(self.space, {name})):
                raise ObjectiveError(f"model {self.model!r} needs {name!r}; add it to the space")
