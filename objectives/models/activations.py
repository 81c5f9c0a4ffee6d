"""The activations; a new one is one entry of ACTIVATIONS next to its builder.

A builder is named after its entry, takes the entry's options as keyword arguments, and imports torch when called.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from objectives.base.technique import Technique, needs
from spaces import Categorical, Fixed, Float, Space

if TYPE_CHECKING:
    from torch.nn import Module

LEAKY_SLOPE = 0.01
LEARNED_SLOPE = 0.25  # initial value of a learned slope (He et al. 2015)
LOWER, UPPER = 1 / 8, 1 / 3  # bounds of a random slope (Xu et al. 2015)


@dataclass(frozen=True, kw_only=True)
class ActivationEntry(Technique):
    """One activation: `build(<options>) -> Module`."""

    kind: ClassVar[str] = "activation"
    build: Callable[..., Module]
    widens: int = 1
    """How many outputs of the previous layer give one output; they are split along dimension 1."""
    negative_slope: Callable[..., float] | None = None
    """`negative_slope(<options>)`: the initial slope below zero, for He initialization; None for 0."""


def _relu() -> Module:
    from torch.nn import ReLU

    return ReLU()


def _leaky_relu(*, slope: float = LEAKY_SLOPE) -> Module:
    from torch.nn import LeakyReLU

    return LeakyReLU(slope)


def _leaky_slope(*, slope: float = LEAKY_SLOPE) -> float:
    return slope


def _rrelu(*, lower: float = LOWER, upper: float = UPPER) -> Module:
    from torch.nn import RReLU

    return RReLU(lower, upper)


def _mean_slope(*, lower: float = LOWER, upper: float = UPPER) -> float:
    return (lower + upper) / 2


def _prelu() -> Module:
    from torch.nn import PReLU

    return PReLU(init=LEARNED_SLOPE)


def _learned_slope() -> float:
    return LEARNED_SLOPE


def _elu(*, alpha: float = 1.0) -> Module:
    from torch.nn import ELU

    return ELU(alpha)


def _selu() -> Module:
    from torch.nn import SELU

    return SELU()


def _gelu() -> Module:
    from torch.nn import GELU

    return GELU()


def _silu() -> Module:
    from torch.nn import SiLU

    return SiLU()


def _swish(*, beta: float = 1.0, learned: bool = False) -> Module:
    from objectives.models.custom_layers import Swish

    return Swish(beta, learned)


def _swiglu(*, beta: float = 1.0, learned: bool = False) -> Module:
    from objectives.models.custom_layers import SwiGlu

    return SwiGlu(beta, learned)


def _glu() -> Module:
    from torch.nn import GLU

    return GLU(dim=1)


def _mish() -> Module:
    from torch.nn import Mish

    return Mish()


def _relu_squared() -> Module:
    from objectives.models.custom_layers import SquaredRelu

    return SquaredRelu()


def _tanh() -> Module:
    from torch.nn import Tanh

    return Tanh()


def _sigmoid() -> Module:
    from torch.nn import Sigmoid

    return Sigmoid()


def _hardswish() -> Module:
    from torch.nn import Hardswish

    return Hardswish()


def _hardtanh() -> Module:
    from torch.nn import Hardtanh

    return Hardtanh()


def _hardsigmoid() -> Module:
    from torch.nn import Hardsigmoid

    return Hardsigmoid()


_BETA = Space(
    beta=Fixed(1.0, domain=Float(0.5, 2.0, at_least=0.0, at_most=100.0)),
    learned=Categorical(False, True),
)


ACTIVATIONS: dict[str, ActivationEntry] = {
    "relu": ActivationEntry(build=_relu, description="max(0, x) (Nair & Hinton 2010)"),
    "leaky_relu": ActivationEntry(
        build=_leaky_relu,
        space=Space(slope=Float(0.01, 0.3, at_least=0.0, at_most=1.0)),
        negative_slope=_leaky_slope,
        description="x for x > 0, else slope x (Maas et al. 2013)",
    ),
    "rrelu": ActivationEntry(
        build=_rrelu,
        # The limits meet at 0.25, so that lower <= upper always holds.
        space=Space(
            lower=Fixed(LOWER, domain=Float(0.05, 0.2, at_least=0.0, at_most=0.25)),
            upper=Fixed(UPPER, domain=Float(0.25, 0.5, at_least=0.25, at_most=1.0)),
        ),
        negative_slope=_mean_slope,
        description="leaky ReLU with a random slope in training and its mean in evaluation (Xu et al. 2015)",
    ),
    "prelu": ActivationEntry(
        build=_prelu,
        negative_slope=_learned_slope,
        description="leaky ReLU with one learned slope per layer, initially 0.25 (He et al. 2015)",
    ),
    "elu": ActivationEntry(
        build=_elu,
        space=Space(alpha=Float(0.5, 1.5, at_least=1e-6, at_most=10.0)),
        description="x for x > 0, else alpha (exp(x) - 1) (Clevert et al. 2016)",
    ),
    "selu": ActivationEntry(
        build=_selu,
        # Mean and variance are kept only under the theorem's conditions.
        conditions=(
            needs("model", "mlp"),
            needs("initializer", "lecun_normal"),
            needs("normalization", "none"),
            needs("biases", "zero"),
            needs("input_norm", None),
            needs("input_dropout", 0),
            needs("dropout", 0),
            needs("l1", 0),
            needs("l2", 0),
            needs("max_norm", 0),
        ),
        description="scaled ELU that self-normalizes (Klambauer et al. 2017)",
    ),
    "gelu": ActivationEntry(build=_gelu, description="x Phi(x), Phi the normal CDF (Hendrycks & Gimpel 2016)"),
    "silu": ActivationEntry(build=_silu, description="x sigmoid(x), which is Swish with beta 1 (Elfwing et al. 2018)"),
    "swish": ActivationEntry(
        build=_swish,
        space=_BETA,
        description="x sigmoid(beta x), with beta fixed or learned per layer (Ramachandran et al. 2017)",
    ),
    "swiglu": ActivationEntry(
        build=_swiglu,
        space=_BETA,
        widens=2,
        description="swish(z1) z2 for the halves z1, z2 of a layer twice as wide; beta as in swish (Shazeer 2020)",
    ),
    "glu": ActivationEntry(
        build=_glu,
        widens=2,
        description="z1 sigmoid(z2), where z1 and z2 are the halves of a layer twice as wide (Dauphin et al. 2017)",
    ),
    "mish": ActivationEntry(build=_mish, description="x tanh(softplus(x)) (Misra 2019)"),
    "relu_squared": ActivationEntry(build=_relu_squared, description="max(0, x)^2 (So et al. 2021)"),
    "tanh": ActivationEntry(build=_tanh, description="hyperbolic tangent (LeCun et al. 1998)"),
    "sigmoid": ActivationEntry(build=_sigmoid, description="1 / (1 + exp(-x)) (Rumelhart et al. 1986)"),
    "hardswish": ActivationEntry(
        build=_hardswish, description="x relu6(x + 3) / 6, a piecewise approximation of Swish (Howard et al. 2019)"
    ),
    "hardtanh": ActivationEntry(build=_hardtanh, description="x clipped to -1 to 1 (Collobert 2004)"),
    "hardsigmoid": ActivationEntry(
        build=_hardsigmoid,
        description="relu6(x + 3) / 6, a piecewise approximation of the sigmoid (Courbariaux et al. 2015)",
    ),
}
