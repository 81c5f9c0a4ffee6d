"""The networks' configurations: a study's space may use any field by its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from objectives.base.errors import ObjectiveError
from objectives.regularizers.catalogue import check_fields
from spaces import Choice

ImageShape = tuple[int, int, int]  # channels, height, width
Cell = Literal["rnn", "gru", "lstm"]


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """What every network has."""

    depth: int
    """Stages, 1 or more: hidden layers, blocks or recurrent layers."""
    width: int
    """Units of a hidden layer, or channels of the first block, 1 or more."""
    initializer: Choice | str = "he_normal"
    """An entry of INITIALIZERS, for all weights."""
    output_scale: float = 1.0
    """What the output layer's first weights are multiplied by, above 0."""
    dropout: float = 0.0
    """Probability that a hidden unit is dropped, 0 to below 1; never on the outputs."""

    def __post_init__(self) -> None:
        """Raises ObjectiveError: a field breaks its rule."""
        if self.depth < 1 or self.width < 1:
            raise ObjectiveError(f"depth and width must be at least 1, but got depth={self.depth}, width={self.width}")
        check_fields(self)


@dataclass(frozen=True, kw_only=True)
class MlpConfig(NetworkConfig):
    """A multilayer perceptron of `depth` hidden layers with `width` units each."""

    activation: Choice | str = "relu"
    normalization: Choice | str = "none"
    """An entry of NORMALIZATIONS, in each hidden layer."""
    dropout_layers: int = 0
    """Dropout only after the top so many hidden layers; 0 for all."""
    alpha_dropout: float = 0.0
    """The same for SELU networks, in place of `dropout`."""


@dataclass(frozen=True, kw_only=True)
class CnnConfig(NetworkConfig):
    """`depth` blocks of a 3x3 convolution (of two, in a residual network) on ever smaller images.

    Each of `pool_rounds` rounds halves the image and doubles the width; dropout acts on the pooled vector.
    """

    pool_rounds: int = 2
    """How often the image is halved, spread over the blocks, 0 to `depth`."""
    activation: Choice | str = "relu"
    normalization: Choice | str = "batch_norm"

    def __post_init__(self) -> None:
        """Raises ObjectiveError: a field breaks its rule."""
        super().__post_init__()
        if not 0 <= self.pool_rounds <= self.depth:
            raise ObjectiveError(
                f"0 <= pool_rounds <= depth must hold, but got pool_rounds={self.pool_rounds}, depth={self.depth}"
            )


@dataclass(frozen=True, kw_only=True)
class RnnConfig(NetworkConfig):
    """`depth` recurrent layers of `width` units over an image's rows; dropout acts between layers and on top."""

    cell: Cell = "gru"
    bidirectional: bool = False
    """Whether each layer reads the rows in both directions, with `width` units for each."""
    initializer: Choice | str = "glorot_uniform"
    """For the weights from below and of the output; those from one step to the next start orthogonal."""

    def __post_init__(self) -> None:
        """Raises ObjectiveError: a field breaks its rule."""
        super().__post_init__()
        if self.cell not in get_args(Cell):
            raise ObjectiveError(f"cell must be one of {', '.join(get_args(Cell))}, but got {self.cell!r}")


def check_pooling(pool_rounds: int, image_shape: ImageShape) -> None:
    """Refuse more halvings than leave one pixel.

    Raises:
        ObjectiveError: naming the rounds and the image's size.
    """
    _, height, width = image_shape
    if min(height, width) >> pool_rounds < 1:
        raise ObjectiveError(
            f"{pool_rounds} rounds of pooling would shrink {height}x{width} images below 1x1; "
            f"use pool_rounds={min(height, width).bit_length() - 1} at most"
        )
