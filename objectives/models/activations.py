"""The activations: one entry is one builder of a module, its options with default ranges, what it is.

Builders import torch when called.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spaces import Float, Space

if TYPE_CHECKING:
    from torch.nn import Module


@dataclass(frozen=True, kw_only=True)
class ActivationEntry:
    """One activation: `build(<options>) -> Module`, applied elementwise."""

    build: Callable[..., Module]
    space: Space
    description: str


def _relu() -> Module:
    from torch.nn import ReLU

    return ReLU()


def _leaky_relu(*, slope: float = 0.01) -> Module:
    from torch.nn import LeakyReLU

    return LeakyReLU(slope)


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


def _tanh() -> Module:
    from torch.nn import Tanh

    return Tanh()


def _sigmoid() -> Module:
    from torch.nn import Sigmoid

    return Sigmoid()


ACTIVATIONS: dict[str, ActivationEntry] = {
    "relu": ActivationEntry(build=_relu, space=Space(), description="max(0, x) (Nair & Hinton 2010)"),
    "leaky_relu": ActivationEntry(
        build=_leaky_relu,
        space=Space(slope=Float(0.01, 0.3, at_least=0.0, at_most=1.0)),
        description="x for x > 0, else slope x (Maas et al. 2013)",
    ),
    "elu": ActivationEntry(
        build=_elu,
        space=Space(alpha=Float(0.5, 1.5, at_least=1e-6, at_most=10.0)),
        description="x for x > 0, else alpha (exp(x) - 1) (Clevert et al. 2016)",
    ),
    "selu": ActivationEntry(
        build=_selu, space=Space(), description="scaled ELU that self-normalizes (Klambauer et al. 2017)"
    ),
    "gelu": ActivationEntry(
        build=_gelu, space=Space(), description="x Phi(x), Phi the normal CDF (Hendrycks & Gimpel 2016)"
    ),
    "silu": ActivationEntry(
        build=_silu, space=Space(), description="x sigmoid(x), also called Swish (Ramachandran et al. 2017)"
    ),
    "tanh": ActivationEntry(build=_tanh, space=Space(), description="hyperbolic tangent"),
    "sigmoid": ActivationEntry(build=_sigmoid, space=Space(), description="1 / (1 + exp(-x))"),
}
