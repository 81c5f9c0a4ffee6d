"""The configurations of the networks; a study's space may use any field by its name."""

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
    """The fields that every network has."""

    depth: int
    """Stages, 1 or more: hidden layers, blocks or recurrent layers."""
    width: int
    """Units of a hidden layer, or channels of the first block, 1 or more."""
    initializer: Choice | str = "he_normal"
    """An entry of INITIALIZERS, for all weights."""
    biases: Choice | str = "zero"
    """An entry of BIASES, for the biases of all layers; those of norms start at zero."""
    output_scale: float = 1.0
    """Factor of the output layer's initial weights, above 0."""
    dropout: float = 0.0
    """Probability that a hidden unit is dropped, 0 to below 1; outputs are never dropped."""
    input_dropout: float = 0.0
    """Probability that an input, a channel of a pixel, is dropped, 0 to below 1."""
    input_norm: str | None = None
    """`batch_norm` or `layer_norm` on the inputs, before their dropout; None for neither.

    Batch norm is for each pixel of a perceptron, each channel of a convolutional network, and each place in a row of a
    recurrent one; layer norm for a whole image, or a row.
    """

    def __post_init__(self) -> None:
        """Raise `ObjectiveError` if a field breaks its rule."""
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
    """Number of top hidden layers that have dropout; 0 for all."""
    alpha_dropout: float = 0.0
    """Probability of alpha dropout, which replaces `dropout` in SELU networks, 0 to below 1."""


@dataclass(frozen=True, kw_only=True)
class CnnConfig(NetworkConfig):
    """`depth` blocks of one 3x3 convolution (two in a residual network) on images that get smaller.

    Each of `pool_rounds` rounds halves the image and doubles the width; dropout acts on the pooled vector.
    """

    pool_rounds: int = 2
    """How many times the image is halved, evenly over the blocks, 0 to `depth`."""
    activation: Choice | str = "relu"
    normalization: Choice | str = "batch_norm"
    whitening: int = 0
    """Side of the patches, 2 or 3, that a first, frozen convolution whitens; 0 for no such layer."""

    def __post_init__(self) -> None:
        """Raise `ObjectiveError` if a field breaks its rule."""
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
    """Whether each layer reads the rows in both directions, with `width` units for each direction."""
    initializer: Choice | str = "glorot_uniform"
    """An entry of INITIALIZERS for input and output weights.

    Weights between time steps start orthogonal, except with initializers that say otherwise.
    """
    normalization: Choice | str = "none"
    """An entry of NORMALIZATIONS for each step, in front of each recurrent layer (`before`) or behind it (`after`).

    torch's recurrent layers have no place for a norm within a step, between the product with the state and the gates.
    """

    def __post_init__(self) -> None:
        """Raise `ObjectiveError` if a field breaks its rule."""
        super().__post_init__()
        if self.cell not in get_args(Cell):
            raise ObjectiveError(f"cell must be one of {', '.join(get_args(Cell))}, but got {self.cell!r}")


def check_pooling(pool_rounds: int, image_shape: ImageShape) -> None:
    """Raise `ObjectiveError` if pooling leaves less than one pixel; the message has the rounds and the image size."""
    _, height, width = image_shape
    if min(height, width) >> pool_rounds < 1:
        raise ObjectiveError(
            f"pooling must leave at least 1x1 pixels, but pool_rounds={pool_rounds} is too much for {height}x{width} "
            f"images; use pool_rounds={min(height, width).bit_length() - 1} at most"
        )


def check_whitening(side: int, image_shape: ImageShape) -> None:
    """Raise `ObjectiveError` if images are smaller than the patches to whiten; the message has both sizes."""
    _, height, width = image_shape
    if min(height, width) < side:
        raise ObjectiveError(
            f"whitening={side} takes patches of {side}x{side} pixels, more than {height}x{width} images have; "
            "use whitening=0"
        )
