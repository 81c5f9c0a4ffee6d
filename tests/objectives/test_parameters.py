"""Every parameter of every shipped space changes the training: two of its values, and other weights or rates."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
import torch
from safetensors.torch import save

from objectives.base.technique import name_of
from objectives.core.objective import Objective
from objectives.core.run import build_network, train
from objectives.data.batches.examples import Examples, TrainValidation
from objectives.discovery import find_objective, objective_names
from objectives.reuse.trained_network import TrainedNetwork
from objectives.schedules.building import build_rates
from objectives.schedules.catalogue import SCHEDULES
from spaces import Choice, Configuration, Scalar, corners, ends
from spaces.entries import Entry
from tests.objectives.training.made import Curve

EXAMPLES, SIDE, STEPS = 24, 8, 3
# The epochs of a training where three are too few for a parameter to act, or for the schedules of a recipe.
EPOCHS = {"early_stopping": 12, "lookahead": 6, "unfreeze_factor": 12, "recipe": 12}
# The most that is tried: small networks are quick, and pictures have eight pixels.
LARGEST = {"depth": 4, "width": 24, "cutout": 4}


def _list_parameters(name: str) -> list[Entry]:
    space = find_objective(name).objective.space
    varying = space.distributions()
    return [entry for entry in space.entries() if entry.name in varying]


CASES = [
    pytest.param(name, entry, id=f"{name}-{entry.name}")
    for name in objective_names()
    for entry in _list_parameters(name)
]


def _is_of(field: str, entry: Entry) -> bool:
    """Whether a parameter chooses this field's value, or is an option of it."""
    return any(parent.rpartition(".")[2] == field for parent, _ in (*entry.under, (entry.name, "")))


def _is_beside_a_cycle(name: str, entry: Entry) -> bool:
    space = find_objective(name).objective.space
    schedules = {str(name_of(corner["schedule"])) for corner in corners(space, {"schedule"})}
    return _is_of("optimizer", entry) and any(SCHEDULES[each].momentum for each in schedules)


class Chosen:
    """A trial that gives the wanted values; others small, quick to train and in use.

    place: which of the choices is made where none is wanted. asked: the names of all parameters that there are.
    """

    def __init__(self, wanted: Mapping[str, Scalar], place: int = 0) -> None:
        self.wanted, self.place = dict(wanted), place
        self.asked: set[str] = set()

    def _get(self, name: str, otherwise: Any) -> Any:
        self.asked.add(name)
        return self.wanted.get(name, otherwise)

    def suggest_int(self, name: str, low: int, high: int, **_: Any) -> Any:
        return self._get(name, low if name == "width" else max(low, min(high, LARGEST.get(name, high))))

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False, **_: Any) -> Any:
        return self._get(name, math.sqrt(low * high) if log else high)

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        return self._get(name, choices[self.place])


def _configure(objective: Objective, entry: Entry, place: int = 0) -> list[Configuration]:
    """Return two configurations that differ in one parameter; none if it does not exist beside these choices."""
    first, last = ends(entry.domain)[0], ends(entry.domain)[-1]
    if entry.name in LARGEST:
        last = max(int(str(first)) + 1, min(int(str(last)), LARGEST[entry.name]))
    trials = [Chosen({**dict(entry.under), entry.name: value}, place) for value in (first, last)]
    found = [objective.space.sample(trial) for trial in trials]
    return found if entry.name in trials[0].asked else []


@cache
def _data(channels: int, classes: tuple[str, ...]) -> TrainValidation:
    """Pictures of noise."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(2 * EXAMPLES) % len(classes)
    images = torch.randint(256, (2 * EXAMPLES, SIDE, SIDE, channels), generator=generator).to(torch.uint8)
    parts = [
        Examples(images_NHWC=images, labels_N=labels, mean=(0.5,) * channels, std=(0.25,) * channels, indices=indices)
        for indices in torch.arange(2 * EXAMPLES).split(EXAMPLES)
    ]
    return TrainValidation(
        train=parts[0],
        validation=parts[1],
        unlabelled=parts[0],
        classes=classes,
        image_shape=(channels, SIDE, SIDE),
        device=torch.device("cpu"),
        merged=False,
    )


def _load(objective: Objective) -> TrainValidation:
    return _data(3 if objective.data.startswith("cifar") else 1, objective.classes or ("a", "b", "c", "d"))


@cache
def _find_source(name: str) -> Mapping[str, TrainedNetwork]:
    objective = find_objective(name).objective
    config = objective.space.sample(Chosen({}))
    shape = {"depth": config["depth"], "width": config["width"]}
    data = _load(objective)
    network = build_network(objective, config.replace(image_shape=data.image_shape, classes=len(data.classes)))
    found = TrainedNetwork(
        name=name,
        sha256="0" * 64,
        model=str(objective.model),
        configuration=shape,
        image_shape=data.image_shape,
        classes=data.classes,
        weights=save(network.state_dict()),
    )
    return {name: found}


_TRAINED: dict[tuple[str, str, int], str] = {}


def _train(name: str, config: Configuration, epochs: int) -> str:
    """Return a text that differs if a number of any epoch or a weight at the end does."""
    key = (name, repr(config), epochs)
    if key not in _TRAINED:
        objective, curve, reuse = find_objective(name).objective, Curve(), config.get("reuse")
        transfers = isinstance(reuse, Choice) and reuse.name == "transfer"
        sources = _find_source(reuse.options["source"]) if transfers else {}
        model = train(objective, config, _load(objective), curve, epochs=epochs, seed=1, sources=sources)
        rows = [{name: value for name, value in row.items() if name != "seconds"} for row in curve.rows]
        weights = {name: value.contiguous() for name, value in model.state_dict().items()}
        _TRAINED[key] = f"{rows} {hashlib.sha256(save(weights)).hexdigest()}"
    return _TRAINED[key]


def _follow_rates(objective: Objective, config: Configuration) -> list[Any]:
    """Return the rates and momenta of a whole training in which nothing gets better."""
    warmup = config.get("warmup_epochs", 0)
    rates = build_rates(config["schedule"], 1.0, objective.epochs, warmup_epochs=warmup)
    found: list[Any] = []
    for epoch in range(objective.epochs):
        found += [(rates.at(epoch, part), rates.momentum(epoch, part)) for part in (0.0, 0.3, 0.6)]
        rates.observe(1.0, 0.5)
    return found


@pytest.mark.parametrize(("name", "entry"), CASES)
def test_it_changes_the_training(name: str, entry: Entry) -> None:
    objective = find_objective(name).objective
    one, other = _configure(objective, entry)
    if entry.name.endswith("warmup_epochs") or _is_of("schedule", entry):
        assert _follow_rates(objective, one) != _follow_rates(objective, other)
        return
    epochs = EPOCHS.get(entry.name.rpartition(".")[2], STEPS)
    assert _train(name, one, epochs) != _train(name, other, epochs)


@pytest.mark.parametrize(("name", "entry"), [case for case in CASES if _is_beside_a_cycle(*case.values)])
def test_an_optimizers_does_so_beside_a_schedule_that_moves_the_momentum_or_does_not_exist(
    name: str, entry: Entry
) -> None:
    configured = _configure(find_objective(name).objective, entry, place=-1)
    if configured:
        one, other = configured
        assert _train(name, one, STEPS) != _train(name, other, STEPS)
    else:
        assert entry.unless
