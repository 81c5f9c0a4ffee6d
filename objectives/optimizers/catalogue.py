"""The optimizers. A name means what the textbooks mean by it: `sgd` has no momentum.

One entry is one builder over torch's own class, its options with default ranges, and a line of description.
Builders import torch when called, so that reading the registry stays cheap.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spaces import Space, standard

if TYPE_CHECKING:
    from torch.optim import Optimizer

# Parameter groups as torch.optim takes them; weight decay is a group's own (0 for biases and norms).
Groups = list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class OptimizerEntry:
    """One optimizer: `build(groups, learning_rate=..., <options>)`, its options' ranges, what it is."""

    build: Callable[..., Optimizer]
    space: Space
    description: str
    decays_weights: bool = False


def _sgd(groups: Groups, *, learning_rate: float) -> Optimizer:
    from torch.optim import SGD

    return SGD(groups, lr=learning_rate)


def _momentum(groups: Groups, *, learning_rate: float, momentum: float = 0.9) -> Optimizer:
    from torch.optim import SGD

    return SGD(groups, lr=learning_rate, momentum=momentum)


def _nesterov(groups: Groups, *, learning_rate: float, momentum: float = 0.9) -> Optimizer:
    from torch.optim import SGD

    return SGD(groups, lr=learning_rate, momentum=momentum, nesterov=True)


def _rmsprop(groups: Groups, *, learning_rate: float, alpha: float = 0.99) -> Optimizer:
    from torch.optim import RMSprop

    return RMSprop(groups, lr=learning_rate, alpha=alpha)


def _adam(groups: Groups, *, learning_rate: float, beta1: float = 0.9, beta2: float = 0.999) -> Optimizer:
    from torch.optim import Adam

    return Adam(groups, lr=learning_rate, betas=(beta1, beta2))


def _adamw(
    groups: Groups,
    *,
    learning_rate: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    weight_decay: float = 0.01,
) -> Optimizer:
    from torch.optim import AdamW

    decayed = [{**group, "weight_decay": weight_decay if group["decays"] else 0.0} for group in groups]
    return AdamW(decayed, lr=learning_rate, betas=(beta1, beta2))


def _nadam(groups: Groups, *, learning_rate: float, beta1: float = 0.9, beta2: float = 0.999) -> Optimizer:
    from torch.optim import NAdam

    return NAdam(groups, lr=learning_rate, betas=(beta1, beta2))


_ADAPTIVE = standard.learning_rate(1e-4, 1e-2)
_PLAIN = standard.learning_rate(1e-3, 1.0)
_WITH_MOMENTUM = standard.learning_rate(1e-3, 0.3)

OPTIMIZERS: dict[str, OptimizerEntry] = {
    "sgd": OptimizerEntry(
        build=_sgd,
        space=Space(learning_rate=_PLAIN),
        description="stochastic gradient descent, no momentum (Robbins & Monro 1951)",
    ),
    "momentum": OptimizerEntry(
        build=_momentum,
        space=Space(learning_rate=_WITH_MOMENTUM, momentum=standard.momentum()),
        description="SGD with heavy-ball momentum (Polyak 1964)",
    ),
    "nesterov": OptimizerEntry(
        build=_nesterov,
        space=Space(learning_rate=_WITH_MOMENTUM, momentum=standard.momentum()),
        description="SGD with Nesterov's accelerated gradient (Nesterov 1983; Sutskever et al. 2013)",
    ),
    "rmsprop": OptimizerEntry(
        build=_rmsprop,
        space=Space(learning_rate=_ADAPTIVE),
        description="gradients divided by a running root mean square (Tieleman & Hinton 2012)",
    ),
    "adam": OptimizerEntry(
        build=_adam,
        space=Space(learning_rate=_ADAPTIVE),
        description="adaptive moment estimation (Kingma & Ba 2015)",
    ),
    "adamw": OptimizerEntry(
        build=_adamw,
        space=Space(learning_rate=_ADAPTIVE, weight_decay=standard.weight_decay()),
        description="Adam with decoupled weight decay (Loshchilov & Hutter 2019)",
        decays_weights=True,
    ),
    "nadam": OptimizerEntry(
        build=_nadam,
        space=Space(learning_rate=_ADAPTIVE),
        description="Adam with Nesterov momentum (Dozat 2016)",
    ),
}
