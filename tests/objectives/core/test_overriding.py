"""Overrides of objectives: every technique of the catalogue, and every option of it, within its own limits."""

from collections.abc import Iterator
from typing import Any

import optuna
import pytest
from torch import nn

from objectives.base.errors import ObjectiveError
from objectives.base.technique import Technique
from objectives.core.catalogue import CATALOGUE, Group, entries
from objectives.core.objective import Objective
from objectives.core.overriding import list_offers, override_objective
from objectives.core.run import train
from objectives.discovery import find_objective
from objectives.models.catalogue import MODELS
from spaces import Categorical, Domain, Fixed, Float, Int, Space, SpaceError, override
from tests.objectives.test_catalogue import donor, one_batch
from tests.objectives.training.made import Curve

DEPTH = find_objective("fashion-depth").objective
SIZES = ["depth=2", "width=16", "batch_size=128"]
CASES = [pytest.param(group, name, entry, id=f"{group.kind}-{name}") for group, name, entry in entries()]
# What no range can say: the network of a study that is not there, and long pretraining.
VALUES = {
    "source": "donor",
    "file": "donor.safetensors",
    "pretrain_epochs": "1",
    "layers": "1",
    "freeze_epochs": "1",
    "warmup_epochs": "1",
}


def _value(option: str, domain: Domain) -> str:
    """Something that an option can be set to: one of its choices, or an end of its range."""
    if option.rpartition(".")[2] in VALUES:
        return VALUES[option.rpartition(".")[2]]
    if isinstance(domain, Categorical):
        return str(domain.choices[-1])
    return str(domain.value if isinstance(domain, Fixed) else domain.low)


def _use(group: Group, name: str, entry: Technique) -> Iterator[str]:
    """Yield the overrides that put an entry to use, what its conditions ask for first."""
    for condition in entry.conditions:
        if not condition.forbids and condition.field not in ("model", "validation"):
            yield from _satisfy(condition.field, condition.values[0])
    if group.field is None:
        yield f"{group.kind}.{name}={_value(name, entry.space.domains[name])}"
    else:
        yield f"{group.field}={name}"


def _satisfy(field: str, value: Any) -> Iterator[str]:
    for group in CATALOGUE:
        if group.field == field:
            yield from _use(group, value, group.entries[value])
            return
    yield f"{field}={value}"


def _options(group: Group, name: str, entry: Technique) -> list[tuple[str, Domain]]:
    """The options of an entry that is in use, as an override names them."""
    if group.field is not None:
        return [(f"{name}.{option}", domain) for option, domain in entry.space.domains.items()]
    return [(option, domain) for option, domain in entry.space.domains.items() if option != name]


def _why_not(objective: Objective, group: Group, name: str, entry: Technique) -> str | None:
    """What the refusal says of an entry that an objective of a shipped network cannot have; None if it can."""
    if group.entries is MODELS:
        return "the network is the objective's own"
    if not group.searched:
        return "at the final step"
    if group.field_of(name) not in objective.read_fields():
        return "has no"
    unfit = [one for one in entry.conditions if one.field == "model" and one.is_broken_by(objective.model)]
    return "needs model" if unfit else None


def _train_a_step(objective: Objective) -> Curve:
    """Train a random configuration for one epoch of one batch."""
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)).ask()
    curve = Curve()
    config = objective.space.sample(trial)
    train(objective, config, one_batch(), curve, epochs=1, schedule_epochs=10, seed=0, sources=donor())
    return curve


@pytest.mark.parametrize(("group", "name", "entry"), CASES)
def test_every_technique_and_every_option_can_be_added_to_a_study(group: Group, name: str, entry: Technique) -> None:
    """Or is refused for a reason that the catalogue gives: another network's, or the final step's."""
    why = _why_not(DEPTH, group, name, entry)
    options = _options(group, name, entry)
    texts = [*_use(group, name, entry), *(f"{option}={_value(option, domain)}" for option, domain in options)]
    if why is not None:
        with pytest.raises((SpaceError, ObjectiveError), match=why):
            override_objective(DEPTH, texts)
        return
    reached = override_objective(DEPTH, [*SIZES, *texts])
    names = {full for full, _, _ in reached.space.describe()}
    assert {option for option, _ in options} <= names
    assert len(_train_a_step(reached).rows) == 1


@pytest.mark.parametrize(("group", "name", "entry"), CASES)
def test_a_range_may_reach_the_technique_s_limit_and_is_refused_beyond_it(
    group: Group, name: str, entry: Technique
) -> None:
    if _why_not(DEPTH, group, name, entry) is not None:
        pytest.skip("this network has it not")
    used = _override_space(DEPTH.space, *SIZES, *_use(group, name, entry))
    own = [] if group.field is not None else [(f"{group.kind}.{name}", entry.space.domains[name])]
    for option, domain in [*own, *_options(group, name, entry)]:
        limits = domain.domain if isinstance(domain, Fixed) else domain
        if isinstance(limits, Int | Float):
            assert limits.at_most is not None, f"{option} of {name} has no limit"
            widest = _override_space(used, f"{option}={limits.at_most}")
            assert f"= {limits.at_most}" in {text for _, text, _ in widest.describe()}
            with pytest.raises(SpaceError, match=f"at most {limits.at_most}"):
                _override_space(used, f"{option}={limits.at_most + 1}")


def _override_space(space: Space, *texts: str) -> Space:
    """Change fashion-depth's space without a look at the conditions between techniques."""
    return override(space, texts, list_offers(DEPTH))


OWN_NETWORK = Objective(
    data="digits",
    build_model=lambda config: nn.Sequential(nn.Flatten(), nn.Linear(64, 10)),
    space=Space(learning_rate=Float(1e-3, 1e-1, log=True)),
)
OWN_TRAINING = Objective(data="digits", train=lambda *_: None, space=Space(units=Int(8, 16)))
REGULARIZERS = find_objective("fashion-regularizers").objective
RECURRENT = find_objective("fashion-recurrent").objective

# An objective, overrides, and what the sentence of the refusal must have.
REFUSED: list[tuple[Objective, list[str], str]] = [
    (OWN_NETWORK, ["activation=swish"], "network is built by the objective's own `build_model`: .* over activation"),
    (OWN_NETWORK, ["dropout=0.2"], "own `build_model`: to search over dropout, add it to the space"),
    (OWN_NETWORK, ["reuse=pretrain"], "only a shipped network has stages to reuse"),
    (OWN_TRAINING, ["early_stopping=5"], "own `train` reads only what its space names"),
    (OWN_TRAINING, ["optimizer=adam"], "own `train` reads only what its space names"),
    (RECURRENT, ["activation=swish"], "network 'rnn' has no activation .it is there with mlp"),
    (RECURRENT, ["max_norm=2"], "write clip_norm.max_norm or regularizer.max_norm"),
    (DEPTH, ["beta=2"], "an option of activation swish.*; --set activation=swish first"),
    (DEPTH, ["nadam=true"], "which is a choice: --set optimizer=nadam"),
    (DEPTH, ["warmup_start=0.2"], "does nothing without 'warmup_epochs'"),
    (DEPTH, ["activation=swsh"], "'swsh' is not one of its choices .*did you mean swish"),
    (DEPTH, ["earlystopping=5"], "did you mean early_stopping"),
    (DEPTH, ["activation=selu"], "give it --set initializer=lecun_normal --set dropout=0"),
    (DEPTH, ["reuse=pretrain"], "layers=3 stages, but the network may have depth=1; use --set layers=1 at most"),
    (DEPTH, ["swa=true"], "give it --set schedule=cosine"),
]


@pytest.mark.parametrize(("objective", "texts", "message"), REFUSED)
def test_what_an_objective_cannot_use_is_refused_with_the_reason(
    objective: Objective, texts: list[str], message: str
) -> None:
    with pytest.raises((SpaceError, ObjectiveError), match=message) as caught:
        override_objective(objective, texts)
    assert "\n" not in str(caught.value)


def test_a_network_of_the_user_s_own_gets_every_technique_of_the_training() -> None:
    texts = ["optimizer=nesterov,nadam", "early_stopping=5", "swa=true", "schedule=cosine", "clipping=clip_norm"]
    reached = override_objective(OWN_NETWORK, [*texts, "batch_size=128", "flip=true", "l2=1e-7:1e-3"])
    assert len(_train_a_step(reached).rows) == 1


def test_a_learning_rate_of_the_space_is_not_searched_a_second_time_below_an_added_optimizer() -> None:
    reached = override_objective(OWN_NETWORK, ["optimizer=nesterov,adamw"])
    names = [name for name, _, _ in reached.space.describe()]
    assert [name for name in names if "learning_rate" in name] == ["learning_rate"]
    assert {"nesterov.momentum", "adamw.weight_decay"} <= set(names)


def test_plain_choices_get_options_and_further_choices() -> None:
    reached = override_objective(REGULARIZERS, ["adamw.beta2=0.99", "optimizer=adamw,muon", "final_fraction=0.1"])
    rows = {name: text for name, text, _ in reached.space.describe()}
    assert rows["optimizer"] == "adamw,muon"
    assert rows["adamw.beta2"] == "= 0.99"
    assert rows["muon.momentum"] == "= 0.95"
    assert rows["cosine.final_fraction"] == "= 0.1"


def test_a_technique_that_a_network_uses_by_default_has_its_options() -> None:
    cnn = find_objective("fashion-conv").objective
    rows = {name: text for name, text, _ in override_objective(cnn, ["position=after"]).space.describe()}
    assert rows["normalization"] == "batch_norm"
    assert rows["batch_norm.position"] == "after"


def test_both_meanings_of_a_name_can_be_written() -> None:
    reached = override_objective(RECURRENT, ["regularizer.max_norm=2", "clip_norm.max_norm=0.5", "max_norm=3"])
    rows = {name: text for name, text, _ in reached.space.describe()}
    assert (rows["max_norm"], rows["clip_norm.max_norm"]) == ("= 3.0", "= 0.5")


def test_the_order_of_the_flags_does_not_change_the_digest() -> None:
    texts = ["early_stopping=5", "swa=true", "schedule=cosine", "activation=swish", "l2=0"]
    one, other = (override_objective(DEPTH, order).space for order in (texts, texts[::-1]))
    assert one.digest == other.digest != DEPTH.space.digest


def test_nothing_to_change_gives_the_same_objective() -> None:
    assert override_objective(DEPTH, []) is DEPTH
    assert override_objective(DEPTH, ["depth=1:6"]).space.digest == DEPTH.space.digest
