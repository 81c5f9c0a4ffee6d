"""The normalizations of a hidden layer; a new one is one entry of NORMALIZATIONS next to its builder.

Builders import torch when called.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from objectives.base.technique import Technique
from spaces import Categorical, Fixed, Float, Int, Space

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


def _batch_norm(
    features: int, image: bool, at: Position, *, position: Position = "before", bn_momentum: float = 0.1
) -> list[Module]:
    from torch.nn import BatchNorm1d, BatchNorm2d

    if at != position:
        return []
    kind = BatchNorm2d if image else BatchNorm1d
    return [kind(features, momentum=bn_momentum)]


def _layer_norm(features: int, image: bool, at: Position, *, position: Position = "before") -> list[Module]:
    from torch.nn import GroupNorm, LayerNorm

    if at != position:
        return []
    # One group has all of an image's features; LayerNorm itself would fix the height and width.
    return [GroupNorm(1, features) if image else LayerNorm(features)]


def _channel_norm(features: int, image: bool, at: Position, *, position: Position = "before") -> list[Module]:
    from torch.nn import LayerNorm

    from objectives.models.custom_layers import ChannelNorm

    if at != position:
        return []
    return [ChannelNorm(features) if image else LayerNorm(features)]


def _group_norm(
    features: int, image: bool, at: Position, *, position: Position = "before", groups: int = 8
) -> list[Module]:
    from torch.nn import GroupNorm

    if at != position:
        return []
    return [GroupNorm(count_groups(features, groups), features)]


def count_groups(features: int, at_most: int) -> int:
    """Return the largest number of equal groups, of two or more features each, that is `at_most` or less; 1 if none.

    A group of one feature would lose all that the feature says of an example.

    >>> count_groups(24, 10)
    8
    """
    return max((n for n in range(1, min(at_most, features // 2) + 1) if features % n == 0), default=1)


_POSITION = Categorical("before", "after")

NORMALIZATIONS: dict[str, NormalizationEntry] = {
    "none": NormalizationEntry(build=_none, description="no normalization"),
    "batch_norm": NormalizationEntry(
        build=_batch_norm,
        # The newest batch's weight in the running statistics; what Keras calls momentum is 1 minus this.
        space=Space(
            position=_POSITION, bn_momentum=Fixed(0.1, domain=Float(0.01, 0.5, log=True, at_least=1e-6, at_most=1.0))
        ),
        replaces_bias=True,
        description="each feature scaled to mean 0 and variance 1 over the batch (Ioffe & Szegedy 2015)",
    ),
    "layer_norm": NormalizationEntry(
        build=_layer_norm,
        space=Space(position=_POSITION),
        description="each example to mean 0, variance 1; in a CNN all of it at once, as GroupNorm(1) (Ba et al. 2016)",
    ),
    "channel_norm": NormalizationEntry(
        build=_channel_norm,
        space=Space(position=_POSITION),
        description="layer norm of each position's channels alone, as Keras and ConvNeXt have it (Liu et al. 2022)",
    ),
    "group_norm": NormalizationEntry(
        build=_group_norm,
        space=Space(position=_POSITION, groups=Fixed(8, domain=Int(2, 32, log=True, at_least=1, at_most=1024))),
        description="each example's features in up to `groups` equal groups, each to mean 0, variance 1 (Wu & He 2018)",
    ),
}
