"""The networks' configurations: a study's space may use any field by its name."""

from __future__ import annotations

from dataclasses import dataclass

from objectives.core.errors import ObjectiveError
from spaces import Choice

ImageShape = tuple[int, int, int]  # channels, height, width


@dataclass(frozen=True, kw_only=True)
class MlpConfig:
    """A multilayer perceptron of `depth` hidden layers with `width` units each."""

    depth: int
    """Hidden layers, 1 or more."""
    width: int
    """Units of each hidden layer, 1 or more."""
    activation: Choice | str = "relu"
    initializer: Choice | str = "he_normal"
    batch_norm: bool = False
    """Batch normalization between each hidden layer and its activation (Ioffe & Szegedy 2015)."""
    dropout: float = 0.0
    """Probability that a hidden unit is dropped, 0 to below 1; never on the outputs."""

    def __post_init__(self) -> None:
        _check_size(self.depth, self.width, self.dropout)


@dataclass(frozen=True, kw_only=True)
class CnnConfig:
    """A convolutional network of `depth` 3x3 blocks; each round of 2x2 max pooling doubles the width."""

    depth: int
    """Convolutional blocks, 1 or more."""
    width: int
    """Channels of the first block, 1 or more; doubled after each pooling."""
    pool_rounds: int = 2
    """Rounds of 2x2 max pooling, spread over the blocks, at most `depth`."""
    activation: Choice | str = "relu"
    initializer: Choice | str = "he_normal"
    batch_norm: bool = True
    dropout: float = 0.0
    """Probability that a feature of the pooled vector is dropped, 0 to below 1."""

    def __post_init__(self) -> None:
        _check_size(self.depth, self.width, self.dropout)
        if not 0 <= self.pool_rounds <= self.depth:
            raise ObjectiveError(
                f"0 <= pool_rounds <= depth must hold, but got {self.pool_rounds} and {self.depth}"
            )


def _check_size(depth: int, width: int, dropout: float) -> None:
    if depth < 1 or width < 1:
        raise ObjectiveError(f"depth and width must be at least 1, but got depth={depth}, width={width}")
    if not 0 <= dropout < 1:
        raise ObjectiveError(f"0 <= dropout < 1 must hold, but got dropout={dropout}")
