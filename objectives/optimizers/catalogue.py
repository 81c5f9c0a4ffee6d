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

CYCLED_OPTIONS = ("momentum", "beta1")
"""The options in whose place the momentum of a schedule counts, if the schedule moves it."""


@dataclass(frozen=True, kw_only=True)
class OptimizerEntry(Technique):
    """One optimizer."""

    kind: ClassVar[str] = "optimizer"
    build: Callable[..., Optimizer]
    """`build(groups, learning_rate=..., <options>) -> Optimizer`. The optimizer keeps `learning_rate` in `group["lr"]`
    of each parameter group, and its step scales with it: schedules change nothing else."""
    decays_weights: bool = False
    """Whether it has decoupled weight decay, the option `weight_decay`."""
    is_adaptive: bool = False
    """Whether it divides gradients by a measure of their size, and with them the gradient of an l2 penalty."""


def _sgd(groups: Groups, *, learning_rate: float, weight_decay: float = 0.0) -> Optimizer:
    return _build_sgd(groups, weight_decay, lr=learning_rate)


def _momentum(groups: Groups, *, learning_rate: float, momentum: float = 0.9, weight_decay: float = 0.0) -> Optimizer:
    return _build_sgd(groups, weight_decay, lr=learning_rate, momentum=momentum)


def _nesterov(groups: Groups, *, learning_rate: float, momentum: float = 0.9, weight_decay: float = 0.0) -> Optimizer:
    # torch refuses Nesterov's method without momentum.
    return _build_sgd(groups, weight_decay, lr=learning_rate, momentum=momentum, nesterov=momentum > 0)


def _build_sgd(groups: Groups, weight_decay: float, **options: Any) -> Optimizer:
    from torch.optim import SGD

    from objectives.optimizers.decoupled_sgd import DECAY, DecoupledSGD

    if not weight_decay:
        return SGD(groups, **options)
    return DecoupledSGD(_add_weight_decay(groups, weight_decay, DECAY), **options)


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


def _add_weight_decay(groups: Groups, weight_decay: float, key: str = "weight_decay") -> Groups:
    """Return the groups with their weight decay, which is 0 for biases and norms."""
    return [{**group, key: weight_decay if group["decays"] else 0.0} for group in groups]


_ADAPTIVE = standard.learning_rate(1e-4, 1e-2)
_PLAIN = standard.learning_rate(1e-3, 1.0)
_WITH_MOMENTUM = standard.learning_rate(1e-3, 0.3)
_NO_DECAY = Fixed(0.0, domain=Float(1e-6, 1e-1, log=True, at_least=0.0, at_most=10.0), implied=True)
_EPSILON = Float(1e-10, 1e-3, log=True, at_least=1e-16, at_most=1.0)
_BETAS = Space(
    beta1=Fixed(0.9, domain=standard.momentum(0.8, 0.98)),
    beta2=Fixed(0.999, domain=standard.momentum(0.9, 0.9999)),
    epsilon=Fixed(1e-8, domain=_EPSILON),
).domains

OPTIMIZERS: dict[str, OptimizerEntry] = {
    "sgd": OptimizerEntry(
        build=_sgd,
        space=Space(learning_rate=_PLAIN, weight_decay=_NO_DECAY),
        description="stochastic gradient descent, no momentum (Robbins & Monro 1951)",
        decays_weights=True,
    ),
    "momentum": OptimizerEntry(
        build=_momentum,
        space=Space(learning_rate=_WITH_MOMENTUM, momentum=standard.momentum(), weight_decay=_NO_DECAY),
        description="SGD with heavy-ball momentum (Polyak 1964)",
        decays_weights=True,
    ),
    "nesterov": OptimizerEntry(
        build=_nesterov,
        space=Space(learning_rate=_WITH_MOMENTUM, momentum=standard.momentum(), weight_decay=_NO_DECAY),
        description="SGD with Nesterov's accelerated gradient (Nesterov 1983; Sutskever et al. 2013)",
        decays_weights=True,
    ),
    "adagrad": OptimizerEntry(
        build=_adagrad,
        space=Space(learning_rate=standard.learning_rate(1e-3, 1e-1), epsilon=Fixed(1e-10, domain=_EPSILON)),
        description="gradients divided by the root of the sum of their squares so far (Duchi et al. 2011)",
        is_adaptive=True,
    ),
    "rmsprop": OptimizerEntry(
        build=_rmsprop,
        space=Space(
            learning_rate=_ADAPTIVE,
            alpha=Fixed(0.99, domain=standard.momentum(0.9, 0.999)),
            epsilon=Fixed(1e-8, domain=_EPSILON),
        ),
        description="gradients divided by a running root mean square (Tieleman & Hinton 2012)",
        is_adaptive=True,
    ),
    "adam": OptimizerEntry(
        build=_adam,
        space=Space(learning_rate=_ADAPTIVE, **_BETAS),
        description="adaptive moment estimation (Kingma & Ba 2015)",
        is_adaptive=True,
    ),
    "adamax": OptimizerEntry(
        build=_adamax,
        space=Space(learning_rate=standard.learning_rate(2e-4, 2e-2), **_BETAS),
        description="Adam scaled by the largest recent gradient, not by a mean (Kingma & Ba 2015, section 7)",
        is_adaptive=True,
    ),
    "nadam": OptimizerEntry(
        build=_nadam,
        space=Space(learning_rate=_ADAPTIVE, **_BETAS),
        description="Adam with Nesterov momentum (Dozat 2016)",
        is_adaptive=True,
    ),
    "adamw": OptimizerEntry(
        build=_adamw,
        space=Space(learning_rate=_ADAPTIVE, weight_decay=standard.weight_decay(), **_BETAS),
        description="Adam with decoupled weight decay (Loshchilov & Hutter 2019)",
        is_adaptive=True,
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
