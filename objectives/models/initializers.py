"""The initializers of a layer's weights; a new one is one entry of INITIALIZERS next to its function.

The functions fill a weight of shape (out, in, ...) in place; fans include the kernel's area. Biases start at zero.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from objectives.base.technique import Technique

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class InitializerEntry(Technique):
    """One initializer: `fill(weight, slope, <options>)`, where `slope` is that of a leaky activation, else 0."""

    kind: ClassVar[str] = "initializer"
    fill: Callable[..., object]


def _glorot_uniform(weight: Tensor, slope: float) -> None:
    from torch.nn.init import xavier_uniform_

    xavier_uniform_(weight)


def _glorot_normal(weight: Tensor, slope: float) -> None:
    from torch.nn.init import xavier_normal_

    xavier_normal_(weight)


def _he_uniform(weight: Tensor, slope: float) -> None:
    from torch.nn.init import kaiming_uniform_

    kaiming_uniform_(weight, a=slope, nonlinearity="leaky_relu")


def _he_normal(weight: Tensor, slope: float) -> None:
    from torch.nn.init import kaiming_normal_

    kaiming_normal_(weight, a=slope, nonlinearity="leaky_relu")


def _lecun_normal(weight: Tensor, slope: float) -> None:
    from torch.nn.init import kaiming_normal_

    kaiming_normal_(weight, nonlinearity="linear")


def _orthogonal(weight: Tensor, slope: float) -> None:
    from torch.nn.init import orthogonal_

    orthogonal_(weight)


INITIALIZERS: dict[str, InitializerEntry] = {
    "glorot_uniform": InitializerEntry(
        fill=_glorot_uniform, description="uniform, variance 1/fan_avg (Glorot & Bengio 2010)"
    ),
    "glorot_normal": InitializerEntry(
        fill=_glorot_normal, description="normal, variance 1/fan_avg (Glorot & Bengio 2010)"
    ),
    "he_uniform": InitializerEntry(
        fill=_he_uniform, description="uniform, variance 2/(fan_in (1 + slope^2)) (He et al. 2015)"
    ),
    "he_normal": InitializerEntry(
        fill=_he_normal, description="normal, variance 2/(fan_in (1 + slope^2)) (He et al. 2015)"
    ),
    "lecun_normal": InitializerEntry(fill=_lecun_normal, description="normal, variance 1/fan_in (LeCun et al. 1998)"),
    "orthogonal": InitializerEntry(fill=_orthogonal, description="a random orthogonal matrix (Saxe et al. 2014)"),
}
