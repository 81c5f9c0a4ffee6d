"""Applying several variants in sequence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from objectives.base.errors import ObjectiveError
from objectives.base.registry import resolve
from objectives.variants.catalogue import VARIANTS
from spaces import Choice

if TYPE_CHECKING:
    from torch.nn import Module


def check_variants(variants: Sequence[Choice]) -> None:
    """Raise `ObjectiveError` if the variants cannot be applied to any network.

    Reasons are an unknown name or option, a value beyond its limits, or an impossible order.
    """
    predicting: str | None = None
    for position, variant in enumerate(variants):
        entry, _ = resolve(VARIANTS, variant, "variant")
        if position and entry.needs_snapshots:
            raise ObjectiveError(
                f"variant {variant.name!r} must be the first, but comes after {variants[position - 1].name!r}; "
                "move it to the front"
            )
        if predicting is not None and not entry.keeps_weights:
            raise ObjectiveError(
                f"variant {variant.name!r} changes weights and must come before {predicting!r}, which only changes how "
                "the network predicts; exchange them"
            )
        if entry.keeps_weights:
            predicting = variant.name


def apply_one_by_one(model: Module, variants: Sequence[Choice], snapshots: Sequence[Module] = ()) -> Iterator[Module]:
    """Yield the network as it is, then with the first variant, with the first two, up to all of them.

    snapshots: networks of the same training, one for each dip of the learning rate, the last one last.

    Raises:
        ObjectiveError: a variant does not fit the network, or there are too few snapshots.
    """
    check_variants(variants)
    yield model
    for variant in variants:
        entry, options = resolve(VARIANTS, variant, "variant")
        model = entry.build(snapshots if entry.needs_snapshots else model, **options)
        yield model


def apply_variants(model: Module, variants: Sequence[Choice], snapshots: Sequence[Module] = ()) -> Module:
    """Return the network with all variants applied in order; the given networks are not changed.

    Raises:
        ObjectiveError: a variant does not fit the network, or there are too few snapshots.
    """
    *_, last = apply_one_by_one(model, variants, snapshots)
    return last
