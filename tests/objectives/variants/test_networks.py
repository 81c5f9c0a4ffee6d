"""Variants of every shipped network."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from objectives.base.errors import ObjectiveError
from objectives.models.catalogue import MODELS
from objectives.variants.dropout import McDropout
from objectives.variants.folding import fold_batch_norm
from objectives.variants.pruning import measure_sparsity, prune_structured, prune_unstructured
from spaces import Choice
from tests.objectives.variants.made import CLASSES, IMAGE, images, lived_in

NORMALIZED = [name for name, entry in MODELS.items() if hasattr(entry.config(depth=2, width=8), "normalization")]


def built(name: str, **fields: Any) -> nn.Module:
    torch.manual_seed(0)
    entry = MODELS[name]
    return lived_in(entry.build(entry.config(depth=3, width=8, **fields), IMAGE, CLASSES))


def norms(model: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) for module in model.modules())


@pytest.mark.parametrize("name", [name for name in NORMALIZED if name != "rnn"])
@pytest.mark.parametrize("activation", ["relu", "glu"])
def test_every_batch_norm_is_folded(name: str, activation: str) -> None:
    norm = Choice("batch_norm", {"bn_momentum": 0.4})
    model = built(name, normalization=norm, activation=activation, dropout=0.2, input_dropout=0.1)
    folded = fold_batch_norm(model)
    assert norms(model) >= 3
    assert norms(folded) == 0
    with torch.no_grad():
        torch.testing.assert_close(folded(images()), model(images()), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", NORMALIZED)
def test_a_norm_of_inputs_stays_when_others_are_folded(name: str) -> None:
    """It has no layer before it; nor has one of recurrent layers, of which the network keeps all."""
    model = built(name, normalization="batch_norm", input_norm="batch_norm")
    if name == "rnn":
        with pytest.raises(ObjectiveError, match="needs a batch norm directly after a linear or conv"):
            fold_batch_norm(model)
        return
    folded = fold_batch_norm(model)
    assert norms(folded) == 1
    with torch.no_grad():
        torch.testing.assert_close(folded(images()), model(images()), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["cnn", "resnet"])
def test_a_whitening_layer_is_neither_folded_nor_pruned(name: str) -> None:
    model = built(name, whitening=2)
    for changed in (fold_batch_norm(model), prune_unstructured(model, 0.5), prune_structured(model, 0.5)):
        assert torch.equal(changed.state_dict()["stages.0.whitening.weight"], model.stages[0].whitening.weight)
        assert changed(images()).isfinite().all()


@pytest.mark.parametrize("name", NORMALIZED)
def test_without_batch_norm_there_is_nothing_to_fold(name: str) -> None:
    with pytest.raises(ObjectiveError, match="needs a batch norm"):
        fold_batch_norm(built(name, normalization="layer_norm"))


@pytest.mark.parametrize("name", MODELS)
def test_every_network_samples_its_dropout(name: str) -> None:
    mean_BK, deviation_BK = McDropout(built(name, dropout=0.5), samples=5).predict_moments(images())
    torch.testing.assert_close(mean_BK.sum(1), torch.ones(len(mean_BK)))
    assert deviation_BK.max() > 0.01
    with pytest.raises(ObjectiveError, match="dropout above 0"):
        McDropout(built(name), samples=5)


@pytest.mark.parametrize("name", MODELS)
def test_every_network_is_pruned(name: str) -> None:
    model = built(name)
    pruned = prune_unstructured(model, 0.75)
    assert measure_sparsity(pruned) == pytest.approx(0.75, abs=1e-3)
    assert pruned(images()).isfinite().all()
    assert not torch.equal(pruned(images()), model(images()))


@pytest.mark.parametrize("name", MODELS)
def test_units_go_and_classes_stay(name: str) -> None:
    model = built(name)
    if name == "rnn":  # a recurrent unit's weights are in several places
        with pytest.raises(ObjectiveError, match="besides the output layer"):
            prune_structured(model, 0.5)
        return
    pruned = prune_structured(model, 0.5)
    assert torch.equal(pruned.get_parameter("output.weight"), model.get_parameter("output.weight"))
    hidden = [p for key, p in pruned.named_parameters() if p.ndim >= 2 and not key.startswith("output.")]
    assert [float((weight == 0).float().mean()) for weight in hidden] == [0.5] * len(hidden)
