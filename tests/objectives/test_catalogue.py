"""Every entry of every registry: it builds, learns, is saved and loaded, and refuses what cannot be meant."""

import io
from collections.abc import Mapping
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
from safetensors.torch import save
from torch import nn

from objectives.base.errors import ObjectiveError
from objectives.base.registry import resolve
from objectives.base.technique import Technique
from objectives.core.catalogue import Group, entries
from objectives.core.objective import Objective
from objectives.core.run import build_network, train
from objectives.data.batches.examples import TrainValidation, load
from objectives.data.cache import prepare
from objectives.data.splits.split import Split, split_examples
from objectives.discovery import find_objective, objective_names
from objectives.reuse.context import Source, key_of_file
from objectives.reuse.trained_network import TrainedNetwork
from objectives.training.callbacks import NULL_CALLBACK, TrainingCallback
from objectives.variants.catalogue import VARIANTS
from spaces import Categorical, Choice, Configuration, Domain, Fixed, Scalar, Space, corners, ends, find_broken_limit
from tests.objectives.reuse.made import weights_file
from tests.objectives.training.made import Curve, StoppingCallback, run_to_the_end

BATCH = 128
CASES = [pytest.param(group, name, entry, id=f"{group.kind}-{name}") for group, name, entry in entries()]
SEARCHED = [case for case in CASES if case.values[0].searched]
BASE: dict[str, Any] = {
    "depth": 2,
    "width": 16,
    "optimizer": Choice("adam", {"learning_rate": 0.01}),
    "schedule": "constant",
    "batch_size": BATCH,
}
# Where an option's range means nothing by itself, or the whole of it would take long.
OPTIONS: dict[str, dict[str, Scalar]] = {
    "transfer": {"source": "donor", "freeze_epochs": 1},
    "file": {"file": "donor.safetensors", "freeze_epochs": 1},
    "pretrain": {"pretrain_epochs": 1, "freeze_epochs": 1},
    "auxiliary": {"pretrain_epochs": 1, "freeze_epochs": 1},
    "cosine_dips": {"dips": 1},
    "crop": {"crop": 1},
    "cutout": {"cutout": 2},
    "output_scale": {"output_scale": 0.1},
    "bias_rate": {"bias_rate": 4.0},
    "lookahead": {"lookahead": 2},
}


@cache
def one_batch() -> TrainValidation:
    """128 real digits, which are trained and validated on."""
    with TemporaryDirectory() as folder:
        prepared = prepare("digits", Path(folder) / "data", Path(folder) / "cache")
        parts = split_examples(prepared.labels(), 0.2, 0)
        few = parts.train[:BATCH]
        data = load(prepared, Split(train=few, validation=parts.validation, pool=few), "cpu")
        return replace(data, validation=data.train)


def chosen(entry: Technique, name: str) -> dict[str, Any]:
    """A value for every option of an entry: the lower end of a range, the last of the choices."""
    return {
        option: OPTIONS.get(name, {}).get(option, ends(domain)[-1 if isinstance(domain, Categorical) else 0])
        for option, domain in entry.space.domains.items()
    }


def using(group: Group, name: str, entry: Technique) -> tuple[str, Configuration]:
    """A model and a configuration in which an entry is in use and its conditions hold."""
    values: dict[str, Any] = dict(BASE)
    model = name if group.kind == "model" else "mlp"
    for condition in entry.conditions:
        if condition.forbids:
            assert condition.field not in values
        elif condition.field == "model":
            model = str(condition.values[0])
        elif condition.field != "validation":
            first = condition.values[0]
            chosen_optimizer = Choice(str(first), {"learning_rate": 0.01})
            values[condition.field] = chosen_optimizer if condition.field == "optimizer" else first
    options = chosen(entry, name)
    if group.kind == "model":
        values |= {**options, "depth": 3, "width": 8}
    elif group.field is None:
        values |= options
    else:
        options |= {"learning_rate": 0.01} if "learning_rate" in options else {}
        values[group.field] = Choice(name, options)
    return model, Configuration(values)


def objective(model: str) -> Objective:
    """An objective for a configuration made by hand."""
    return Objective(data="digits", model=model, space=Space(depth=Fixed(3), width=Fixed(8)))


@cache
def donor() -> Mapping[str, Source]:
    """A network to take stages from."""
    shape = {"depth": 2, "width": 16}
    model, _ = trained("mlp", Configuration({**BASE, **shape}), epochs=1)
    file = weights_file(model)
    return {
        key_of_file(file.name): file,
        "donor": TrainedNetwork(
            name="donor",
            sha256="0" * 64,
            model="mlp",
            configuration=shape,
            image_shape=(1, 8, 8),
            classes=one_batch().classes,
            weights=save(model.state_dict()),
        ),
    }


def trained(
    model: str, config: Configuration, *, epochs: int = 4, callback: TrainingCallback = NULL_CALLBACK
) -> tuple[nn.Module, Curve]:
    """Train on one batch, so that every epoch is a step; if the callback stops it, resume as another process would."""
    curve = Curve()
    sources = donor() if config.get("reuse") and config.reuse.name in ("transfer", "file") else {}
    network = run_to_the_end(
        lambda: train(
            objective(model), config, one_batch(), curve, epochs=epochs, seed=3, sources=sources, callback=callback
        )
    )
    return network, curve


def logits(network: nn.Module) -> torch.Tensor:
    """What a network says of the batch."""
    network.eval()
    x_BCHW, _ = next(one_batch().train.batches(BATCH, order_seed=None))
    with torch.no_grad():
        found: torch.Tensor = network(x_BCHW)
    return found


@pytest.mark.parametrize(("group", "name", "entry"), SEARCHED)
def test_it_builds_and_learns_and_is_saved_and_loaded(group: Group, name: str, entry: Technique) -> None:
    """Four steps on one batch, each after its loss: the first three lower it."""
    model, config = using(group, name, entry)
    network, curve = trained(model, config)
    losses = curve.of("train_objective")
    assert len(losses) == 4
    assert losses[3] < losses[0]
    stored = io.BytesIO()
    torch.save(network.state_dict(), stored)
    stored.seek(0)
    fresh = build_network(objective(model), config.replace(image_shape=(1, 8, 8), classes=10))
    fresh.load_state_dict(torch.load(stored, weights_only=True))
    assert torch.equal(logits(fresh), logits(network))


@pytest.mark.parametrize(("group", "name", "entry"), SEARCHED)
def test_stopping_and_resuming_gives_the_same_numbers(group: Group, name: str, entry: Technique) -> None:
    """Left within an epoch, before its validation ends, and at its end: the same curve and weights."""
    model, config = using(group, name, entry)
    network, curve = trained(model, config)
    callback = StoppingCallback(1, 4, 7)
    resumed, resumed_curve = trained(model, config, callback=callback)
    assert len(callback.states) >= 2
    assert not callback.refusals
    assert [without_time(row) for row in resumed_curve.rows] == [without_time(row) for row in curve.rows]
    assert all(map(torch.equal, resumed.state_dict().values(), network.state_dict().values()))


def without_time(row: Mapping[str, float]) -> dict[str, float]:
    """An epoch's metrics but for how long it took."""
    return {name: value for name, value in row.items() if name != "seconds"}


def bad_value(domain: Domain) -> Scalar:
    """A value that breaks a domain's limits."""
    for value in (-7.25, -7, 1e9, 10**9, "nonsense"):
        if find_broken_limit(domain, value) is not None:
            return value
    raise AssertionError(f"{domain} has no limits")


@pytest.mark.parametrize(("group", "name", "entry"), SEARCHED)
def test_a_bad_value_is_refused_with_the_value(group: Group, name: str, entry: Technique) -> None:
    model, config = using(group, name, entry)
    if group.kind == "model":
        bad = [config.replace(depth=-7)]
    elif group.field is None:
        bad = [config.replace(**{option: bad_value(domain)}) for option, domain in entry.space.domains.items()]
    else:
        options = config[group.field].options
        bad = [
            config.replace(**{group.field: Choice(name, {**options, option: bad_value(domain)})})
            for option, domain in entry.space.domains.items()
            if domain != Fixed("")  # a text of the user's own
        ] + [config.replace(**{group.field: Choice(name, {**options, "nonsense": -7})})]
    for configuration in bad:
        with pytest.raises(ObjectiveError, match=r"-7|1e\+?0?9|1000000000|nonsense"):
            trained(model, configuration, epochs=1)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_predicts_and_refuses_a_bad_value(name: str) -> None:
    entry = VARIANTS[name]
    config = Configuration({**BASE, "dropout": 0.2, "normalization": "batch_norm"})
    network, _ = trained("mlp", config, epochs=2)
    before = logits(network)
    given = [network, network] if entry.needs_snapshots else network
    variant = entry.build(given, **chosen(entry, name))
    assert logits(variant).shape == (BATCH, 10)
    assert torch.isfinite(logits(variant)).all()
    assert torch.equal(logits(network), before)
    for option, domain in (*entry.space.domains.items(), ("nonsense", Fixed(0))):
        value = -7 if option == "nonsense" else bad_value(domain)
        with pytest.raises(ObjectiveError, match=r"-7|nonsense"):
            resolve(VARIANTS, Choice(name, {option: value}), "variant")


@pytest.mark.parametrize(("group", "name", "entry"), SEARCHED)
def test_some_shipped_study_searches_it(group: Group, name: str, entry: Technique) -> None:
    field = group.field_of(name)
    for shipped in objective_names():
        it = find_objective(shipped).objective
        if field == "model":
            if it.model == name:
                return
            continue
        known = {field.name: field.default for field in fields(it.network.config)} if it.network else {}
        defaults = {**known, **it.defaults}
        if any(group.uses({**defaults, **corner}.get(field), name) for corner in corners(it.space, {field})):
            return
    # What is used by default, and what needs a file that nobody has but the user.
    assert name == "none" or (group.kind, name) == ("reuse", "file"), (
        f"no shipped study searches over {group.kind} {name}"
    )


@pytest.mark.parametrize(("group", "name", "entry"), CASES)
def test_described_with_a_source_or_a_formula(group: Group, name: str, entry: Technique) -> None:
    assert "\n" not in entry.description
    assert 10 < len(entry.description) < 110
    assert not entry.description.endswith(".")
