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

    Reasons are an unknown name or option, a value beyond its limits, or a variant after one that must be last.
    """
    for position, variant in enumerate(variants, start=1):
        entry, _ = resolve(VARIANTS, variant, "variant")
        if entry.last and position < len(variants):
            raise ObjectiveError(
                f"variant {variant.name!r} must be the last, but {variants[position].name!r} comes after it; "
                "move it to the end"
            )


def apply_one_by_one(model: Module, variants: Sequence[Choice]) -> Iterator[Module]:
    """Yield the network as it is, then with the first variant, with the first two, up to all of them.

    Raises:
        ObjectiveError: a variant does not fit the network.
    """
    check_variants(variants)
    yield model
    for variant in variants:
        entry, options = resolve(VARIANTS, variant, "variant")
        model = entry.build(model, **options)
        yield model


def apply_variants(model: Module, variants: Sequence[Choice]) -> Module:
    """Return the network with all variants applied in order; the given network is not changed.

    Raises:
        ObjectiveError: a variant does not fit the network.
    """
    *_, last = apply_one_by_one(model, variants)
    return last
