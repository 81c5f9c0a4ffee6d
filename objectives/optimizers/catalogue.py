"""The optimizers; a new one is one entry of OPTIMIZERS next to its builder.

A name has its textbook meaning: `sgd` has no momentum. A builder is named after its entry, takes the entry's options
as keyword arguments, and imports torch when called, so that reading the registry is cheap.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from objectives.base.technique import Technique
from spaces import Fixed, Float, Space, standard

if TYPE_CHECKING:
    from torch.optim import Optimizer

# Parameter groups of torch.optim with two more flags: "decays", whether they take weight decay (not biases and norms),
# and "hidden", whether they are weights of hidden layers (see groups.py).
Groups = list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class OptimizerEntry(Technique):
    """One optimizer."""

    kind: ClassVar[str] = "optimizer"
    build: Callable[..., Optimizer]
    """`build(groups, learning_rate=..., <options>) -> Optimizer`. The optimizer keeps `learning_rate` in `group["lr"]`
    of each parameter group, and its step scales with it: schedules change nothing else."""
    decays_weights: bool = False
    """Whether it has decoupled weight decay, the option `weight_decay`."""


def _sgd(groups: Groups, *, learning_rate: float) -> Optimizer:
    from torch.optim import SGD

    return SGD(groups, lr=learning_rate)


def _momentum(groups: Groups, *, learning_rate: float, momentum: float = 0.9) -> Optimizer:
    from torch.optim import SGD

    return SGD(groups, lr=learning_rate, momentum=momentum)


def _nesterov(groups: Groups, *, learning_rate: float, momentum: float = 0.9) -> Optimizer:
    from torch.optim import SGD

    # torch refuses Nesterov's method without momentum.
    return SGD(groups, lr=learning_rate, momentum=momentum, nesterov=momentum > 0)


def _adagrad(groups: Groups, *, learning_rate: float, epsilon: float = 1e-10) -> Optimizer:
    from torch.optim import Adagrad

    return Adagrad(groups, lr=learning_rate, eps=epsilon)


def _rmsprop(groups: Groups, *, learning_rate: float, alpha: float = 0.99, epsilon: float = 1e-8) -> Optimizer:
    from torch.optim import RMSprop

    return RMSprop(groups, lr=learning_rate, alpha=alpha, eps=epsilon)


def _adam(
    groups: Groups, *, learning_rate: float, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8
) -> Optimizer:
    from torch.optim import Adam

    return Adam(groups, lr=learning_rate, betas=(beta1, beta2), eps=epsilon)


def _adamax(
    groups: Groups, *, learning_rate: float, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8
) -> Optimizer:
    from torch.optim import Adamax

    return Adamax(groups, lr=learning_rate, betas=(beta1, beta2), eps=epsilon)


def _nadam(
    groups: Groups, *, learning_rate: float, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8
) -> Optimizer:
    from torch.optim import NAdam

    return NAdam(groups, lr=learning_rate, betas=(beta1, beta2), eps=epsilon)


def _adamw(
    groups: Groups,
    *,
    learning_rate: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: float = 0.01,
) -> Optimizer:
    from torch.optim import AdamW

    return AdamW(_add_weight_decay(groups, weight_decay), lr=learning_rate, betas=(beta1, beta2), eps=epsilon)


def _muon(
    groups: Groups,
    *,
    learning_rate: float,
    momentum: float = 0.95,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: float = 0.01,
) -> Optimizer:
    from torch.optim import AdamW, Muon

    from objectives.optimizers.flattened_kernels import FlattenedKernels
    from objectives.optimizers.optimizer_pair import OptimizerPair

    decayed = _add_weight_decay(groups, weight_decay)
    hidden = [group for group in decayed if group["hidden"]]
    others = [group for group in decayed if not group["hidden"]]
    adamw = AdamW(others, lr=learning_rate, betas=(beta1, beta2), eps=epsilon)
    if not hidden:  # the network has one or two layers
        return adamw

    def build_muon(groups: Groups) -> Optimizer:
        # Scales steps like AdamW's, so that one rate and one weight decay suit both (Liu et al. 2025, eq. 4).
        return Muon(groups, lr=learning_rate, momentum=momentum, adjust_lr_fn="match_rms_adamw")

    return OptimizerPair(FlattenedKernels(hidden, build_muon), adamw)


def _add_weight_decay(groups: Groups, weight_decay: float) -> Groups:
    """Return the groups with their weight decay, which is 0 for biases and norms."""
    return [{**group, "weight_decay": weight_decay if group["decays"] else 0.0} for group in groups]


_ADAPTIVE = standard.learning_rate(1e-4, 1e-2)
_PLAIN = standard.learning_rate(1e-3, 1.0)
_WITH_MOMENTUM = standard.learning_rate(1e-3, 0.3)
_EPSILON = Float(1e-10, 1e-3, log=True, at_least=1e-16, at_most=1.0)
_BETAS = Space(
    beta1=Fixed(0.9, domain=standard.momentum(0.8, 0.98)),
    beta2=Fixed(0.999, domain=standard.momentum(0.9, 0.9999)),
    epsilon=Fixed(1e-8, domain=_EPSILON),
).domains

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
    "adagrad": OptimizerEntry(
        build=_adagrad,
        space=Space(learning_rate=standard.learning_rate(1e-3, 1e-1), epsilon=Fixed(1e-10, domain=_EPSILON)),
        description="gradients divided by the root of the sum of their squares so far (Duchi et al. 2011)",
    ),
    "rmsprop": OptimizerEntry(
        build=_rmsprop,
        space=Space(
            learning_rate=_ADAPTIVE,
            alpha=Fixed(0.99, domain=standard.momentum(0.9, 0.999)),
            epsilon=Fixed(1e-8, domain=_EPSILON),
        ),
        description="gradients divided by a running root mean square (Tieleman & Hinton 2012)",
    ),
    "adam": OptimizerEntry(
        build=_adam,
        space=Space(learning_rate=_ADAPTIVE, **_BETAS),
        description="adaptive moment estimation (Kingma & Ba 2015)",
    ),
    "adamax": OptimizerEntry(
        build=_adamax,
        space=Space(learning_rate=standard.learning_rate(2e-4, 2e-2), **_BETAS),
        description="Adam scaled by the largest recent gradient, not by a mean (Kingma & Ba 2015, section 7)",
    ),
    "nadam": OptimizerEntry(
        build=_nadam,
        space=Space(learning_rate=_ADAPTIVE, **_BETAS),
        description="Adam with Nesterov momentum (Dozat 2016)",
    ),
    "adamw": OptimizerEntry(
        build=_adamw,
        space=Space(learning_rate=_ADAPTIVE, weight_decay=standard.weight_decay(), **_BETAS),
        description="Adam with decoupled weight decay (Loshchilov & Hutter 2019)",
        decays_weights=True,
    ),
    "muon": OptimizerEntry(
        build=_muon,
        space=Space(
            learning_rate=_ADAPTIVE,
            weight_decay=standard.weight_decay(),
            momentum=Fixed(0.95, domain=standard.momentum(0.8, 0.99)),
            **_BETAS,
        ),
        description="orthogonalized momentum for hidden matrices and kernels, AdamW for the rest (Jordan et al. 2024)",
        decays_weights=True,
    ),
}
