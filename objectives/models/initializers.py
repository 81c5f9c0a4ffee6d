"""The initializers of a layer's weights and biases; a new one is one entry of INITIALIZERS or BIASES and its function.

The functions fill a weight of shape (out, in, ...) or a bias of shape (out,) in place; fans include the kernel's area.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from objectives.base.technique import Technique
from spaces import Fixed, Float, Space

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class InitializerEntry(Technique):
    """One initializer: `fill(weight, slope, <options>)`, where `slope` is that of a leaky activation, else 0."""

    kind: ClassVar[str] = "initializer"
    fill: Callable[..., object]
    fill_recurrent: Callable[..., object] | None = None
    """Fills a gate of a recurrent layer, from inputs or from the step before, shape (units, in), like `fill`.

    None: `fill` for weights from inputs; weights between time steps start orthogonal (Saxe et al. 2014).
    """


@dataclass(frozen=True, kw_only=True)
class BiasEntry(Technique):
    """One initializer of biases: `fill(bias, fan_in, <options>)`.

    A unit of a recurrent layer, which has two biases, gets its value in that of the inputs and zero in the other,
    unless `fills_both`.
    """

    kind: ClassVar[str] = "bias"
    fill: Callable[..., object]
    fills_both: bool = False


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


def _lecun_uniform(weight: Tensor, slope: float) -> None:
    from torch.nn.init import kaiming_uniform_

    kaiming_uniform_(weight, nonlinearity="linear")


def _orthogonal(weight: Tensor, slope: float) -> None:
    from torch.nn.init import orthogonal_

    orthogonal_(weight)


def _normal(weight: Tensor, slope: float, *, std: float = 0.05) -> None:
    from torch.nn.init import normal_

    normal_(weight, std=std)


def _constant(tensor: Tensor, slope: float, *, weight: float = 0.05) -> None:
    from torch.nn.init import constant_

    constant_(tensor, weight)


def _torch_default(weight: Tensor, slope: float) -> None:
    _fill_uniform(weight, weight[0].numel())


def _torch_default_recurrent(weight: Tensor, slope: float) -> None:
    _fill_uniform(weight, len(weight))  # by the number of units, whatever the inputs


def _fill_uniform(tensor: Tensor, fan: int) -> None:
    from torch.nn.init import uniform_

    uniform_(tensor, -(fan**-0.5), fan**-0.5)


def _identity(weight: Tensor, slope: float) -> None:
    from torch.nn.init import dirac_, eye_

    _he_normal(weight, slope)
    passed_on = weight.detach()[: weight.shape[1]]  # the first units, at most one for each input
    if weight.ndim == 2:
        eye_(passed_on)
    else:
        dirac_(passed_on)


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
    "lecun_uniform": InitializerEntry(
        fill=_lecun_uniform, description="uniform, variance 1/fan_in (LeCun et al. 1998)"
    ),
    "orthogonal": InitializerEntry(fill=_orthogonal, description="a random orthogonal matrix (Saxe et al. 2014)"),
    "identity": InitializerEntry(
        fill=_identity,
        fill_recurrent=_identity,
        description="units pass on an input each, the others are he_normal (Le et al. 2015, Jordan 2024)",
    ),
    "normal": InitializerEntry(
        fill=_normal,
        fill_recurrent=_normal,
        space=Space(std=Float(0.01, 1.0, log=True, at_least=1e-6, at_most=100.0)),
        description="normal with one standard deviation for all layers, whatever their fans: a baseline",
    ),
    "constant": InitializerEntry(
        fill=_constant,
        fill_recurrent=_constant,
        space=Space(weight=Fixed(0.05, domain=Float(0.001, 1.0, log=True, at_least=-100.0, at_most=100.0))),
        description="all weights equal, so that all units of a layer stay equal: a baseline that fails",
    ),
    "torch_default": InitializerEntry(
        fill=_torch_default,
        fill_recurrent=_torch_default_recurrent,
        description="what torch.nn does: uniform up to fan_in^(-1/2), variance 1/(3 fan_in); with biases of that name",
    ),
}


def _zero(bias: Tensor, fan_in: int) -> None:
    from torch.nn.init import zeros_

    zeros_(bias)


def _constant_bias(tensor: Tensor, fan_in: int, *, bias: float = 0.1) -> None:
    from torch.nn.init import constant_

    constant_(tensor, bias)


BIASES: dict[str, BiasEntry] = {
    "zero": BiasEntry(fill=_zero, description="all biases start at zero (LeCun et al. 1998)"),
    "constant": BiasEntry(
        fill=_constant_bias,
        space=Space(bias=Float(-0.5, 0.5, at_least=-100.0, at_most=100.0)),
        description="all biases start at one value, such as 0.1 or 1 for ReLU (Krizhevsky et al. 2012)",
    ),
    "torch_default": BiasEntry(
        fill=_fill_uniform,
        fills_both=True,
        description="what torch.nn does: uniform between -1 and 1 times fan_in^(-1/2), units^(-1/2) if recurrent",
    ),
}
