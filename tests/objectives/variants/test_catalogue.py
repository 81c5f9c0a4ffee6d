"""Every variant: options and defaults agree, the given network stays as it is, chains keep their order."""

from __future__ import annotations

import copy
import inspect
import subprocess
import sys

import pytest
import torch

from objectives.base.errors import ObjectiveError
from objectives.variants import apply
from objectives.variants.catalogue import VARIANTS
from spaces import Choice, Fixed
from tests.objectives.variants.made import CLASSES, dense, images, states_equal


@pytest.mark.parametrize("name", VARIANTS)
def test_every_option_stands_in_the_space_with_its_default(name: str) -> None:
    entry = VARIANTS[name]
    options = [p for p in inspect.signature(entry.build).parameters.values() if p.kind is p.KEYWORD_ONLY]
    assert [option.name for option in options] == list(entry.space.domains)
    for option in options:
        domain = entry.space.domains[option.name]
        assert isinstance(domain, Fixed)
        assert domain.value == option.default
        assert domain.domain is not None
        assert domain.domain.low <= option.default <= domain.domain.high


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_gives_a_network_and_changes_none(name: str) -> None:
    model = dense().train()
    before, random = copy.deepcopy(model), torch.get_rng_state()
    made = VARIANTS[name].build([model, model] if VARIANTS[name].needs_snapshots else model)
    with torch.no_grad():
        first, second = made.eval()(images()), made.eval()(images())
    assert first.shape == (16, CLASSES)
    assert torch.equal(first, second)
    assert states_equal(model, before)
    assert all(module.training for module in model.modules())
    assert torch.equal(torch.get_rng_state(), random)
    assert not {id(p) for p in made.parameters()} & {id(p) for p in model.parameters()}


def test_the_registry_is_read_without_torch() -> None:
    code = "import sys, objectives.variants.apply; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_prefixes_are_each_one_variant_longer() -> None:
    model = dense()
    wanted = [Choice("prune_unstructured", {"amount": 0.8}), Choice("fold_batch_norm")]
    plain, pruned, folded = apply.apply_one_by_one(model, wanted)
    assert plain is model
    expected = VARIANTS["prune_unstructured"].build(model, amount=0.8)
    assert states_equal(pruned, expected)
    assert states_equal(folded, VARIANTS["fold_batch_norm"].build(expected))
    assert states_equal(apply.apply_variants(model, wanted), folded)
    assert apply.apply_variants(model, []) is model


def test_the_order_matters_and_is_kept() -> None:
    model = dense()
    prune, fold = Choice("prune_unstructured", {"amount": 0.5}), Choice("fold_batch_norm")
    assert not states_equal(apply.apply_variants(model, [prune, fold]), apply.apply_variants(model, [fold, prune]))


def test_weights_are_changed_before_what_only_predicts() -> None:
    mc, fold, views = Choice("mc_dropout", {"samples": 3}), Choice("fold_batch_norm"), Choice("test_time")
    apply.check_variants([fold, mc, views])
    with pytest.raises(ObjectiveError, match="'fold_batch_norm' changes weights and must come before 'mc_dropout'"):
        apply.check_variants([mc, fold])


def test_snapshots_are_those_of_the_training_itself() -> None:
    snapshots, views, fold = Choice("snapshot_ensemble"), Choice("test_time"), Choice("fold_batch_norm")
    apply.check_variants([snapshots, views])
    with pytest.raises(
        ObjectiveError, match="'snapshot_ensemble' must be the first, but comes after 'fold_batch_norm'"
    ):
        apply.check_variants([fold, snapshots])
    model, other = dense(), dense(dropout=0.1)
    made = apply.apply_variants(model, [Choice("snapshot_ensemble", {"members": 2})], [model, other, model])
    assert len(made.members) == 2  # type: ignore[arg-type]
    with pytest.raises(ObjectiveError, match="at least two dips"):
        apply.apply_variants(model, [snapshots])


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        (Choice("mc_dropuot"), "unknown variant 'mc_dropuot'; did you mean mc_dropout"),
        (Choice("mc_dropout", {"samples": 0}), "samples of variant 'mc_dropout' must be at least 1, but got 0"),
        (Choice("prune_structured", {"amount": 1.0}), "amount .* must be at most 0.9999, but got 1.0"),
        (Choice("fold_batch_norm", {"x": 1}), "has no option 'x' .*it has none"),
    ],
)
def test_what_can_be_no_variant_is_refused(variant: Choice, message: str) -> None:
    with pytest.raises(ObjectiveError, match=message):
        apply.check_variants([variant])
