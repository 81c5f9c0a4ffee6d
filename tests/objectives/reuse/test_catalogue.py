"""Every way to reuse: its options, and what it leaves alone."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor

from objectives.base.errors import ObjectiveError
from objectives.base.registry import resolve
from objectives.reuse.catalogue import REUSES
from spaces import Choice, Fixed
from tests.objectives.reuse.made import built, network, reusing, same, source, state, weights_file

WAYS = [name for name in REUSES if name != "none"]
OPTIONS: dict[str, dict[str, Any]] = {
    "transfer": {"source": "digits-eight"},
    "file": {"file": "donor.safetensors"},
    "pretrain": {"pretrain_epochs": 1},
    "auxiliary": {"pretrain_epochs": 1},
}


def _draws() -> Tensor:
    return torch.rand(3)


@pytest.mark.parametrize("name", REUSES)
def test_the_builder_reads_what_the_space_has(name: str) -> None:
    entry = REUSES[name]
    defaults = {
        option.name: option.default
        for option in inspect.signature(entry.build).parameters.values()
        if option.kind is option.KEYWORD_ONLY
    }
    assert defaults.keys() == entry.space.domains.keys()
    for option, domain in entry.space.domains.items():
        if isinstance(domain, Fixed):
            assert defaults[option] == domain.value


def test_none_changes_nothing() -> None:
    model = network()
    before = state(model)
    entry, options = resolve(REUSES, "none", "reuse")
    assert entry.build(model, reusing(), **options) is None
    assert same(state(model), before)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("name", WAYS)
def test_the_reused_stages_change_and_all_above_stays_as_it_came(name: str, layers: int) -> None:
    model = network()
    before = state(model)
    built(name, model, reusing(source(network(seed=1)), weights_file(network(seed=1))), layers=layers, **OPTIONS[name])
    after = state(model)
    lowest = tuple(f"stages.{index}." for index in range(layers))
    for key in before:
        if key.endswith("weight") and key.startswith(lowest) and before[key].ndim == 2:
            assert not torch.equal(before[key], after[key]), key
        elif not key.startswith(lowest):
            assert torch.equal(before[key], after[key]), key
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("name", WAYS)
def test_random_numbers_are_the_same_as_without_reuse(name: str) -> None:
    """Two ways of one seed differ by what was learned, not by the order of batches or dropped units."""
    given = reusing(source(network(seed=1)), weights_file(network(seed=1)))
    model = network()
    torch.manual_seed(3)
    expected = _draws()
    torch.manual_seed(3)
    built(name, model, given, **OPTIONS[name])
    assert torch.equal(_draws(), expected)


@pytest.mark.parametrize("name", ["pretrain", "auxiliary"])
def test_the_same_seed_learns_the_same_whatever_was_drawn_before(name: str) -> None:
    def learned(seed: int, drawn: int) -> dict[str, Tensor]:
        model = network()
        torch.manual_seed(drawn)
        built(name, model, reusing(seed=seed), layers=2, **OPTIONS[name])
        return state(model)

    first = learned(7, 1)
    assert same(learned(7, 2), first)
    assert not same(learned(8, 1), first)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("layers", 0),
        ("layers", 1.5),
        ("freeze_epochs", -1),
        ("unfreeze_factor", 0.0),
        ("unfreeze_factor", 2.0),
        ("pretrain_epochs", 0),
        ("pretrain_rate", -1.0),
        ("pretrain_batch_size", 1),
        ("layer", 1),
    ],
)
def test_values_beyond_their_limits_are_refused(option: str, value: float) -> None:
    with pytest.raises(ObjectiveError, match=option):
        resolve(REUSES, Choice("pretrain", {option: value}), "reuse")


def test_reading_the_registry_imports_no_torch() -> None:
    code = "import sys, objectives.reuse.catalogue; raise SystemExit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
