"""A domain that does not exist beside certain choices, and values that are implied."""

import optuna
import pytest

from spaces import Categorical, Choice, Fixed, Float, Int, Space, SpaceError, Unless, override

MOMENTUM = Float(0.5, 0.9, unless=Unless("schedule", ("one_cycle",)))
OPTIMIZER = Categorical({"nesterov": Space(momentum=MOMENTUM), "sgd": Space()})
SPACE = Space(
    optimizer=OPTIMIZER,
    schedule=Categorical({"cosine": Space(), "one_cycle": Space(low=Float(0.7, 0.9))}),
    depth=Int(1, 2),
)


@pytest.mark.parametrize("seed", range(10))
def test_it_is_drawn_and_replayed_without_it_there(seed: int) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    for _ in range(5):
        trial = study.ask()
        config = SPACE.sample(trial)
        exists = config.optimizer.name == "nesterov" and config.schedule.name == "cosine"
        assert ("momentum" in config.optimizer.options) == ("nesterov.momentum" in trial.params) == exists
        assert repr(SPACE.replay(trial.params)) == repr(config)


def test_what_it_depends_on_comes_first_wherever_it_stands() -> None:
    names = [entry.name for entry in SPACE.entries()]
    assert names == ["schedule", "one_cycle.low", "depth", "optimizer", "nesterov.momentum"]
    recipe = Categorical({"a": Space(schedule=Fixed("one_cycle")), "b": Space(schedule=Fixed("cosine"))}, inline=True)
    space = Space(optimizer=OPTIMIZER, recipe=recipe)
    assert space.replay({"recipe": "a", "optimizer": "nesterov"}).optimizer == Choice("nesterov")
    momentum = {"recipe": "b", "optimizer": "nesterov", "nesterov.momentum": 0.6}
    assert space.replay(momentum).optimizer == Choice("nesterov", {"momentum": 0.6})


def test_a_value_where_there_is_no_parameter_is_refused_and_one_that_is_missing_where_there_is() -> None:
    chosen = {"depth": 1, "optimizer": "nesterov", "schedule": "one_cycle", "one_cycle.low": 0.8}
    with pytest.raises(SpaceError, match=r"no 'nesterov.momentum' for these choices"):
        SPACE.replay({**chosen, "nesterov.momentum": 0.6})
    with pytest.raises(SpaceError, match=r"the space has 'nesterov.momentum' \(0.5:0.9 unless schedule is one_cycle\)"):
        SPACE.replay({"depth": 1, "optimizer": "nesterov", "schedule": "cosine"})


def test_it_is_part_of_the_description_and_the_digest() -> None:
    plain = SPACE.replace(optimizer=Categorical({"nesterov": Space(momentum=Float(0.5, 0.9)), "sgd": Space()}))
    assert plain.digest != SPACE.digest
    assert "~ nesterov.momentum: 0.5:0.9 -> 0.5:0.9 unless schedule is one_cycle" in plain.diff(SPACE)
    assert Space.from_json(SPACE.to_json()) == SPACE


@pytest.mark.parametrize(
    ("text", "shown"),
    [("0.6:0.7", "0.6:0.7 unless schedule is one_cycle"), ("0.6,0.7", "0.6,0.7 unless schedule is one_cycle")],
)
def test_an_override_of_the_range_keeps_it(text: str, shown: str) -> None:
    changed = override(SPACE, [f"momentum={text}"])
    assert {entry.name: str(entry.domain) for entry in changed.entries()}["nesterov.momentum"] == shown


def test_implied_values_are_in_the_configuration_and_not_in_the_description() -> None:
    decay = Fixed(0.0, domain=Float(1e-6, 0.1, log=True, at_least=0.0), implied=True)
    before, after = Space(rate=Float(0.1, 1.0)), Space(rate=Float(0.1, 1.0), decay=decay)
    assert after.digest == before.digest
    assert after.describe() == before.describe()
    assert after.replay({"rate": 0.5})["decay"] == 0.0
    for text in ("decay=0.01", "decay=0.01:0.1"):
        assert override(after, [text]).digest != before.digest


def test_fixed_choices_keep_their_choices() -> None:
    space = Space(mode=Fixed("loss", domain=Categorical("loss", "accuracy")))
    assert override(space, ["mode=accuracy"]) == Space(mode=Fixed("accuracy"))
    assert override(space, ["mode=accuracy,loss"]) == Space(mode=Categorical("accuracy", "loss"))
    with pytest.raises(SpaceError, match=r"'los' is not one of its choices \(loss,accuracy\)"):
        override(space, ["mode=los"])
