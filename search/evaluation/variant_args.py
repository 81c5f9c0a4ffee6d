"""Variants as the command line writes them: `prune_unstructured:amount=0.8`, `mc_dropout`."""

from __future__ import annotations

from collections.abc import Sequence

from objectives.base.registry import check_option, look_up
from objectives.variants.apply import check_variants
from objectives.variants.catalogue import VARIANTS
from search.errors import UsageError
from search.evaluation.results.variants import VariantEffect
from spaces import Choice, Fixed, Float, Scalar, parse_number_or_text

EFFECT_HEADINGS = ("variant", "validation accuracy", "loss", "zero weights", "parameters")


def parse_variants(texts: Sequence[str]) -> tuple[Choice, ...]:
    """Return the variants that these texts name, in the same order, each with all its options.

    Raises:
        UsageError: a text is not `NAME` or `NAME:option=value,...`.
        ObjectiveError: an unknown name or option, a value beyond its limits, or an impossible order.
    """
    variants = tuple(map(_parse, texts))
    check_variants(variants)
    return variants


def format_variant(variant: Choice) -> str:
    """Return the text that `parse_variants` reads back; equal variants have equal texts."""
    options = ",".join(f"{name}={value}" for name, value in variant.options.items())
    return f"{variant.name}:{options}" if options else variant.name


def format_variants(variants: Sequence[Choice]) -> tuple[str, ...]:
    """Return the text of each variant."""
    return tuple(map(format_variant, variants))


def join_variants(texts: Sequence[str]) -> str:
    """Return variants as part of a sentence."""
    return " + ".join(texts) or "the plain network"


def effect_rows(effects: Sequence[VariantEffect]) -> list[tuple[str, str, str, str, str]]:
    """Return a row under `EFFECT_HEADINGS` for each effect."""
    return [
        (
            "the trial's own network" if effect.variant is None else f"+ {effect.variant}",
            f"{effect.validation_accuracy:.4f}",
            "not finite" if effect.validation_loss is None else f"{effect.validation_loss:.4f}",
            f"{effect.zeros:.1%}",
            f"{effect.parameters:,}",
        )
        for effect in effects
    ]


def _parse(text: str) -> Choice:
    name, colon, rest = (piece.strip() for piece in text.partition(":"))
    entry = look_up(VARIANTS, name, "variant")
    given = _parse_options(text, rest) if colon else {}
    for option, value in given.items():
        check_option(entry, f"variant {name!r}", option, value)
    options: dict[str, Scalar] = {}
    for option, domain in entry.space.domains.items():
        assert isinstance(domain, Fixed), "no study searches a variant's options"
        value = given.get(option, domain.value)
        # 0 and 0.0 are the same value of a float, and so must give the same text.
        options[option] = float(value) if isinstance(domain.domain, Float) and value is not None else value
    return Choice(name, options)


def _parse_options(text: str, rest: str) -> dict[str, Scalar]:
    options: dict[str, Scalar] = {}
    for part in rest.split(","):
        option, equals, value = (piece.strip() for piece in part.partition("="))
        if not (option and equals and value) or option in options:
            raise UsageError(f"a variant reads NAME or NAME:option=value,... with each option once, but got {text!r}")
        options[option] = parse_number_or_text(value)
    return options
