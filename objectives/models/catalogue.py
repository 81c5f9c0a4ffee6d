"""The networks: one entry is a frozen configuration, a builder, a line of description."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from objectives.models.config import CnnConfig, ImageShape, MlpConfig

if TYPE_CHECKING:
    from torch.nn import Module


@dataclass(frozen=True, kw_only=True)
class ModelEntry:
    """One network: its configuration, and `build(config, image_shape, classes) -> Module`."""

    config: type[Any]
    build: Callable[[Any, ImageShape, int], Module]
    description: str


def _mlp(config: MlpConfig, image_shape: ImageShape, classes: int) -> Module:
    from objectives.models.mlp import Mlp

    return Mlp(config, image_shape, classes)


def _cnn(config: CnnConfig, image_shape: ImageShape, classes: int) -> Module:
    from objectives.models.cnn import Cnn

    return Cnn(config, image_shape, classes)


MODELS: dict[str, ModelEntry] = {
    "mlp": ModelEntry(
        config=MlpConfig,
        build=_mlp,
        description="flatten, `depth` hidden layers of `width` units, linear output",
    ),
    "cnn": ModelEntry(
        config=CnnConfig,
        build=_cnn,
        description="`depth` 3x3 blocks, width doubling with each max pooling, global average, linear output",
    ),
}
