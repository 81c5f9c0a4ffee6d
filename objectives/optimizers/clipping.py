"""Gradient clipping, between backward pass and step; a new way is one entry of CLIPPINGS next to its builder."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from objectives.base.technique import Technique
from spaces import Float, Space

if TYPE_CHECKING:
    from torch.nn import Parameter

# Changes the gradients of these parameters in place; parameters without a gradient are skipped.
Clip = Callable[["Iterable[Parameter]"], None]


@dataclass(frozen=True, kw_only=True)
class ClippingEntry(Technique):
    """One way to clip gradients: `build(<options>) -> Clip`."""

    kind: ClassVar[str] = "clipping"
    build: Callable[..., Clip]


def _none() -> Clip:
    return lambda parameters: None


def _clip_norm(*, max_norm: float = 1.0) -> Clip:
    from torch.nn.utils import clip_grad_norm_

    def clip(parameters: Iterable[Parameter]) -> None:
        clip_grad_norm_(parameters, max_norm)

    return clip


def _clip_value(*, limit: float = 1.0) -> Clip:
    from torch.nn.utils import clip_grad_value_

    def clip(parameters: Iterable[Parameter]) -> None:
        clip_grad_value_(parameters, limit)

    return clip


CLIPPINGS: dict[str, ClippingEntry] = {
    "none": ClippingEntry(build=_none, description="gradients as they are"),
    "clip_norm": ClippingEntry(
        build=_clip_norm,
        space=Space(max_norm=Float(0.1, 10.0, log=True, at_least=1e-6, at_most=1e6)),
        description="all gradients scaled down together to a total l2 norm of at most `max_norm` (Pascanu et al. 2013)",
    ),
    "clip_value": ClippingEntry(
        build=_clip_value,
        space=Space(limit=Float(0.01, 1.0, log=True, at_least=1e-9, at_most=1e6)),
        description="each component of the gradients limited to the range from -limit to limit (Mikolov 2012)",
    ),
}
