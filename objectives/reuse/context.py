"""What the ways to reuse are given: the trial's data and seed, and the networks of other studies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from objectives.base.errors import ObjectiveError
from objectives.models.config import ImageShape

if TYPE_CHECKING:
    from torch import Tensor

    from objectives.data.batches.examples import TrainValidation

_STAGES = "stages."


@dataclass(frozen=True, kw_only=True)
class TrainedNetwork:
    """The network that another study's final step trained, out of that study's own training images."""

    name: str
    """The study's name."""
    sha256: str
    """Of the weights."""
    model: str | None
    """Its name in MODELS; None where the study's objective brought a network of its own."""
    configuration: Mapping[str, Any]
    """The winner's, as `Configuration.to_json` gives it."""
    image_shape: ImageShape
    classes: tuple[str, ...]
    weights: bytes = field(repr=False)
    """Its state in the safetensors format."""

    def check_images(self, image_shape: ImageShape) -> None:
        """Refuse images of another shape (channels, height, width) than those that the network was trained on.

        Raises:
            ObjectiveError: naming both shapes.
        """
        if self.image_shape != image_shape:
            there, here = ("x".join(map(str, shape)) for shape in (self.image_shape, image_shape))
            raise ObjectiveError(
                f"source {self.name!r} was trained on images of {there}, and these are of {here} "
                "(channels x height x width); take a source with images of the same size"
            )

    def stages(self) -> list[dict[str, Tensor]]:
        """The state of each stage, lowest first, under the names that the stage itself gives it."""
        from safetensors.torch import load

        found: dict[int, dict[str, Tensor]] = {}
        for name, tensor in load(self.weights).items():
            if name.startswith(_STAGES):
                number, _, own = name.removeprefix(_STAGES).partition(".")
                found.setdefault(int(number), {})[own] = tensor
        return [found[number] for number in sorted(found)]


@dataclass(frozen=True, kw_only=True)
class ReuseContext:
    """What one trial has for reuse."""

    data: TrainValidation
    sources: Mapping[str, TrainedNetwork]
    """Networks of other studies, by the study's name."""
    seed: int
    """The trial's."""
    precision: Literal["auto", "float32", "bfloat16"] = "float32"
    begun: bool = False
    """Whether the training proper has begun earlier: the weights come from its state, and are not made again."""
    beat: Callable[[], None] = lambda: None
    """To be called after every batch of a training before the training proper; it may raise to end that."""
