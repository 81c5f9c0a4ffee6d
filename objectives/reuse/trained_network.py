"""A network that another study trained, as a source of weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from objectives.base.errors import ObjectiveError
from objectives.models.config import ImageShape

if TYPE_CHECKING:
    from torch import Tensor

_STAGES = "stages."


@dataclass(frozen=True, kw_only=True)
class TrainedNetwork:
    """The network that another study's final step trained on that study's own training images."""

    name: str
    """The study's name."""
    sha256: str
    """Hash of the weights."""
    model: str | None
    """The network's name in MODELS; None if the study's objective supplied its own network."""
    configuration: Mapping[str, Any]
    """The winner's configuration, as `Configuration.to_json` gives it."""
    image_shape: ImageShape
    classes: tuple[str, ...]
    weights: bytes = field(repr=False)
    """The network's state in the safetensors format."""

    def check_images(self, image_shape: ImageShape) -> None:
        """Raise `ObjectiveError` unless images have the shape (channels, height, width) that this was trained on."""
        if self.image_shape != image_shape:
            there, here = ("x".join(map(str, shape)) for shape in (self.image_shape, image_shape))
            raise ObjectiveError(
                f"source {self.name!r} was trained on images of {there}, but these are of {here} "
                "(channels x height x width); take a source with images of the same size"
            )

    def load_stages(self) -> list[dict[str, Tensor]]:
        """Return the state of each stage, lowest first, under the parameters' names within the stage."""
        from safetensors.torch import load

        found: dict[int, dict[str, Tensor]] = {}
        for name, tensor in load(self.weights).items():
            if name.startswith(_STAGES):
                number, _, own = name.removeprefix(_STAGES).partition(".")
                found.setdefault(int(number), {})[own] = tensor
        return [found[number] for number in sorted(found)]
