"""The normalizations of a hidden layer; a new one is one entry of NORMALIZATIONS next to its builder.

Builders import torch when called.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from objectives.base.technique import Technique
from spaces import Categorical, Space

if TYPE_CHECKING:
    from torch.nn import Module

Position = Literal["before", "after"]


@dataclass(frozen=True, kw_only=True)
class NormalizationEntry(Technique):
    """One normalization: `build(features, image, at, <options>) -> list[Module]`.

    `at` is a position relative to the activation: the list has one module if the normalization's position is the
    same, else none. `image` is True for inputs (B, features, H, W) and False for (B, features).
    """

    kind: ClassVar[str] = "normalization"
    build: Callable[..., list[Module]]
    replaces_bias: bool = False
    """Whether the layer directly before it needs no bias, because the normalization would subtract it."""


def _none(features: int, image: bool, at: Position) -> list[Module]:
    return []


def _batch_norm(features: int, image: bool, at: Position, *, position: Position = "before") -> list[Module]:
    from torch.nn import BatchNorm1d, BatchNorm2d

    if at != position:
        return []
    return [BatchNorm2d(features) if image else BatchNorm1d(features)]


def _layer_norm(features: int, image: bool, at: Position, *, position: Position = "before") -> list[Module]:
    from torch.nn import GroupNorm, LayerNorm

    if at != position:
        return []
    # One group has all of an image's features; LayerNorm itself would fix the height and width.
    return [GroupNorm(1, features) if image else LayerNorm(features)]


_POSITION = Categorical("before", "after")

NORMALIZATIONS: dict[str, NormalizationEntry] = {
    "none": NormalizationEntry(build=_none, description="no normalization"),
    "batch_norm": NormalizationEntry(
        build=_batch_norm,
        space=Space(position=_POSITION),
        replaces_bias=True,
        description="each feature scaled to mean 0 and variance 1 over the batch (Ioffe & Szegedy 2015)",
    ),
    "layer_norm": NormalizationEntry(
        build=_layer_norm,
        space=Space(position=_POSITION),
        description="each example's features scaled to mean 0 and variance 1 (Ba et al. 2016)",
    ),
}
