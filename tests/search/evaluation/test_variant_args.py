"""Variants as texts: what is read, what is refused, how effects look."""

from __future__ import annotations

import pytest

from objectives.base.errors import ObjectiveError
from search.errors import UsageError
from search.evaluation.results.variants import VariantEffect
from search.evaluation.variant_args import effect_rows, format_variant, join_variants, parse_variants
from spaces import Choice


@pytest.mark.parametrize(
    ("text", "variant", "canonical"),
    [
        ("fold_batch_norm", Choice("fold_batch_norm"), "fold_batch_norm"),
        ("prune_structured", Choice("prune_structured", {"amount": 0.5}), "prune_structured:amount=0.5"),
        (
            "prune_structured:amount=.25",
            Choice("prune_structured", {"amount": 0.25}),
            "prune_structured:amount=0.25",
        ),
        ("prune_structured:amount=0", Choice("prune_structured", {"amount": 0.0}), "prune_structured:amount=0.0"),
        (" mc_dropout : samples = 8 ", Choice("mc_dropout", {"samples": 8}), "mc_dropout:samples=8"),
        ("mc_dropout", Choice("mc_dropout", {"samples": 50}), "mc_dropout:samples=50"),
    ],
)
def test_a_text_is_a_variant_with_all_its_options(text: str, variant: Choice, canonical: str) -> None:
    [parsed] = parse_variants([text])
    assert parsed == variant
    assert format_variant(parsed) == canonical
    assert parse_variants([canonical]) == (variant,)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mc_dropout:", "reads NAME or NAME:option=value,... with each option once, but got 'mc_dropout:'"),
        ("mc_dropout:samples", "reads NAME or NAME:option=value"),
        ("mc_dropout:samples=3,", "reads NAME or NAME:option=value"),
        ("mc_dropout:samples=3,samples=4", "each option once"),
        ("mc_dropout:samples=2.5", "samples of variant 'mc_dropout' must be a whole number, but got 2.5"),
        ("mc_dropout:samples=many", "must be a whole number, but got 'many'"),
        ("mc_dropout:sample=3", "variant 'mc_dropout' has no option 'sample' .set to 3.; it has samples"),
        ("prune_structured:amount=nan", "amount of variant 'prune_structured' must be finite"),
        ("prune_structured:amount=2", "must be at most 0.9999, but got 2"),
        ("", "unknown variant ''; known: .*mc_dropout"),
        ("fold", "unknown variant 'fold'; .*known: .*prune_unstructured"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_sentence(text: str, message: str) -> None:
    with pytest.raises((UsageError, ObjectiveError), match=message) as caught:
        parse_variants([text])
    assert "\n" not in str(caught.value)


def test_rows_for_people() -> None:
    effect = VariantEffect(variant=None, validation_accuracy=0.5, validation_loss=None, zeros=0.25, parameters=1234)
    assert effect_rows([effect]) == [("the trial's own network", "0.5000", "not finite", "25.0%", "1,234")]
    assert join_variants([]) == "the plain network"
