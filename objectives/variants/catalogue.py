"""The variants of a trained network that the final step may score; a new one is one entry of VARIANTS.

Builders import torch when called, and return a new network without changing the given one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from objectives.base.technique import Technique, needs
from spaces import Fixed, Float, Int, Space, standard

if TYPE_CHECKING:
    from torch.nn import Module


@dataclass(frozen=True, kw_only=True)
class VariantEntry(Technique):
    """One variant: `build(model, <options>) -> Module`, from images (B, C, H, W) to logits or log-probabilities.

    keeps_weights: whether it only changes how the network predicts; a variant of the weights may not follow.
    needs_snapshots: whether it is built from networks of the same training, `build(snapshots, <options>)`, each taken
    at a dip of the learning rate; it must be the first variant.
    is_random: whether its predictions are drawn at random, so that the network is no fixed function of the images.
    """

    kind: ClassVar[str] = "variant"
    build: Callable[..., Module]
    keeps_weights: bool = False
    needs_snapshots: bool = False
    is_random: bool = False


def _mc_dropout(model: Module, *, samples: int = 50) -> Module:
    from objectives.variants.dropout import McDropout

    return McDropout(model, samples=samples)


def _snapshot_ensemble(snapshots: Sequence[Module], *, members: int = 5) -> Module:
    from objectives.variants.averaging import SnapshotEnsemble

    return SnapshotEnsemble(snapshots[-members:])


def _test_time(model: Module, *, mirror: int = 1, shift: int = 1) -> Module:
    from objectives.variants.averaging import TestTimeAugmentation

    return TestTimeAugmentation(model, mirror=bool(mirror), shift=shift)


def _prune_unstructured(model: Module, *, amount: float = 0.5) -> Module:
    from objectives.variants.pruning import prune_unstructured

    return prune_unstructured(model, amount)


def _prune_structured(model: Module, *, amount: float = 0.5) -> Module:
    from objectives.variants.pruning import prune_structured

    return prune_structured(model, amount)


def _fold_batch_norm(model: Module) -> Module:
    from objectives.variants.folding import fold_batch_norm

    return fold_batch_norm(model)


_AMOUNT = Fixed(0.5, domain=Float(0.1, 0.9, at_least=0.0, at_most=standard.BELOW_ONE))

VARIANTS: dict[str, VariantEntry] = {
    "mc_dropout": VariantEntry(
        build=_mc_dropout,
        space=Space(samples=Fixed(50, domain=Int(10, 100, at_least=1, at_most=10_000))),
        description="mean probabilities of `samples` predictions with dropout (Gal & Ghahramani 2016)",
        keeps_weights=True,
        is_random=True,
    ),
    "snapshot_ensemble": VariantEntry(
        build=_snapshot_ensemble,
        space=Space(members=Fixed(5, domain=Int(2, 10, at_least=2, at_most=100))),
        description="mean probabilities of the networks at the last `members` dips of the rate (Huang et al. 2017)",
        keeps_weights=True,
        needs_snapshots=True,
    ),
    "test_time": VariantEntry(
        build=_test_time,
        space=Space(
            mirror=Fixed(1, domain=Int(0, 1, at_least=0, at_most=1)),
            shift=Fixed(1, domain=Int(0, 2, at_least=0, at_most=16)),
        ),
        description="mean probabilities over mirrored and shifted (`shift` pixels) copies (Krizhevsky et al. 2012)",
        keeps_weights=True,
    ),
    "prune_unstructured": VariantEntry(
        build=_prune_unstructured,
        space=Space(amount=_AMOUNT),
        description="the smallest weights of the whole network set to zero, this fraction (Han et al. 2015)",
    ),
    "prune_structured": VariantEntry(
        build=_prune_structured,
        space=Space(amount=_AMOUNT),
        description="the units with the smallest l2 norms of each layer set to zero, this fraction (Li et al. 2017)",
    ),
    "fold_batch_norm": VariantEntry(
        build=_fold_batch_norm,
        description="batch norm merged into the layer before it, with the same outputs (Jacob et al. 2018)",
        conditions=(needs("normalization", "batch_norm"),),
    ),
}
