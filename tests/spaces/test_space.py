"""Spaces: names, sampling from real studies, replay of what they stored."""

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spaces import Categorical, Choice, Configuration, Fixed, Float, Int, Space, SpaceError
from tests.spaces.made import SMALL, spaces

SGD = {"depth": 2, "width": 16, "dropout": 0.1, "batch_norm": True, "activation": "gelu", "optimizer": "sgd"}
GOOD = {**SGD, "sgd.learning_rate": 0.01}


@pytest.fixture(autouse=True)
def quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def _tpe(*, group: bool) -> optuna.samplers.BaseSampler:
    return optuna.samplers.TPESampler(seed=3, n_startup_trials=5, multivariate=True, group=group)


SAMPLERS: dict[str, Callable[[], optuna.samplers.BaseSampler]] = {
    "random": lambda: optuna.samplers.RandomSampler(seed=3),
    "tpe": lambda: _tpe(group=False),
    "tpe-group": lambda: _tpe(group=True),
}


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_replay_gives_what_a_study_sampled(sampler: str) -> None:
    study = optuna.create_study(sampler=SAMPLERS[sampler]())
    sampled: list[Configuration] = []

    def objective(trial: optuna.Trial) -> float:
        sampled.append(SMALL.sample(trial))
        return float(sampled[-1].dropout)

    study.optimize(objective, n_trials=25)
    assert {config.optimizer.name for config in sampled} == {"sgd", "nesterov"}
    for config, trial in zip(sampled, study.trials, strict=True):
        replayed = SMALL.replay(json.loads(json.dumps(trial.params)))
        assert replayed == config
        assert repr(replayed) == repr(config)  # the same types, too
        assert set(trial.params) <= set(SMALL.distributions())
        assert all(SMALL.distributions()[name] == kind for name, kind in trial.distributions.items())


@settings(max_examples=60, deadline=None)
@given(space=spaces(), seed=st.integers(0, 2**31))
def test_replay_gives_what_any_space_sampled(space: Space, seed: int) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    for _ in range(3):
        trial = study.ask()
        config = space.sample(trial)
        assert repr(space.replay(trial.params)) == repr(config)
        assert list(config) == list(space.domains)


def test_optuna_keeps_warnings_to_itself() -> None:
    """Two trials over a grid: warnings are errors in these tests."""
    space = Space(width=Int(8, 64, step=8), rate=Float(0.1, 0.7, step=0.2))
    trial = optuna.create_study().ask()
    assert space.sample(trial).width % 8 == 0


def test_parameters_of_a_choice_exist_where_it_is_chosen() -> None:
    sgd = SMALL.replay(GOOD)
    assert sgd.optimizer == Choice("sgd", {"learning_rate": 0.01})
    nesterov = {**SGD, "optimizer": "nesterov", "nesterov.learning_rate": 0.1, "nesterov.momentum": 0.9}
    assert SMALL.replay(nesterov).optimizer == Choice("nesterov", {"learning_rate": 0.1, "momentum": 0.9})
    assert [entry.name for entry in SMALL.entries()][-4:] == [
        "sgd.learning_rate",
        "nesterov.learning_rate",
        "nesterov.momentum",
        "batch_size",
    ]


def test_names_of_nested_choices_join() -> None:
    inner = Categorical({"x": Space(p=Float(0, 1)), "y": Space()})
    space = Space(outer=Categorical({"a": Space(inner=inner), "b": Space()}))
    config = space.replay({"outer": "a", "a.inner": "x", "a.x.p": 0.5})
    assert config.outer.options.inner == Choice("x", {"p": 0.5})
    assert [(entry.name, entry.condition) for entry in space.entries()] == [
        ("outer", ""),
        ("a.inner", "outer = a"),
        ("a.x.p", "a.inner = x"),
    ]


# The change to parameters that fit, and what the message must have.
UNFIT: list[tuple[dict[str, Any], str]] = [
    ({"depth": 7}, "depth must be a number in 1:6, but got 7"),
    ({"depth": 0}, "but got 0"),
    ({"depth": 2.5}, "but got 2.5"),
    ({"depth": "2"}, "but got '2'"),
    ({"depth": True}, "but got True"),
    ({"depth": None}, "but got None"),
    ({"width": 513}, "but got 513"),
    ({"dropout": 0.500001}, "but got 0.500001"),
    ({"dropout": float("nan")}, "but got nan"),
    ({"dropout": [0.1]}, r"but got \[0.1\]"),
    ({"batch_norm": 1}, "batch_norm must be one of False,True, but got 1"),
    ({"activation": "tanh"}, "activation must be one of relu,gelu, but got 'tanh'"),
    ({"optimizer": "adam"}, "optimizer must be one of sgd,nesterov, but got 'adam'"),
    ({"optimizer": "nesterov"}, "the space has 'nesterov.learning_rate'.*but the parameters have depth"),
    ({"sgd.learning_rate": 1e-4}, "sgd.learning_rate must be a number in 0.001:1.0 log, but got 0.0001"),
    ({"momentum": 0.9}, "the space has no 'momentum'.*momentum=0.9"),
    ({"nesterov.momentum": 0.9}, "no 'nesterov.momentum' for these choices.*nesterov.momentum=0.9"),
    ({"batch_size": 64}, "the space has no 'batch_size'.*batch_size=64"),
]


@pytest.mark.parametrize(("change", "message"), UNFIT)
def test_unfit_parameters_are_told(change: dict[str, Any], message: str) -> None:
    SMALL.replay(GOOD)
    with pytest.raises(SpaceError, match=message):
        SMALL.replay({**GOOD, **change})


@pytest.mark.parametrize("name", GOOD)
def test_missing_parameter_is_told(name: str) -> None:
    with pytest.raises(SpaceError, match=f"the space has '{name}'"):
        SMALL.replay({key: value for key, value in GOOD.items() if key != name})


def test_off_the_grid_is_told() -> None:
    space = Space(width=Int(8, 64, step=8), rate=Float(0.0, 1.0, step=0.1))
    assert space.replay({"width": 16, "rate": 0.1 + 0.2}).width == 16
    with pytest.raises(SpaceError, match="width must be on the grid of 8:64 step 8, but got 20"):
        space.replay({"width": 20, "rate": 0.1})
    with pytest.raises(SpaceError, match=r"rate must be on the grid of .*, but got 0.25"):
        space.replay({"width": 16, "rate": 0.25})


def test_numbers_take_their_domains_type() -> None:
    config = Space(width=Int(1, 8), rate=Float(0, 1), scale=Categorical(0.5, 2.0)).replay(
        {"width": 2.0, "rate": 1, "scale": 2}
    )
    assert [type(value) for value in config.values()] == [int, float, float]


def test_fixed_and_single_choices_are_no_parameters() -> None:
    space = Space(a=Fixed(3), b=Categorical("only"), c=Categorical({"one": Space(x=Int(1, 2))}), d=Int(1, 2))
    assert set(space.distributions()) == {"one.x", "d"}
    trial = optuna.create_study().ask()
    config = space.sample(trial)
    assert set(trial.params) == {"one.x", "d"}
    assert (config.a, config.b, config.c.name) == (3, "only", "one")
    assert space.replay(trial.params) == config


@pytest.mark.parametrize(
    "name",
    ["two words", "1st", "", "seed", "epochs", "name", "options", "_hidden", "keys", "get", "replace", "a.b"],
)
def test_reserved_and_impossible_names_are_refused(name: str) -> None:
    with pytest.raises(SpaceError, match=f"got '{name}'"):
        Space({name: Int(1, 2)})
    with pytest.raises(SpaceError, match=f"got '{name}'"):
        Space(kind=Categorical({"a": Space(), "b": Space({name: Int(1, 2)})}))


def test_two_parameters_of_one_name_are_refused() -> None:
    with_rate = Space(rate=Float(0, 1))
    with pytest.raises(SpaceError, match=r"'sgd.rate' occurs twice"):
        Space(first=Categorical({"sgd": with_rate}), second=Categorical({"sgd": with_rate, "adam": Space()}))
    Space(first=Categorical({"sgd": with_rate}), second=Categorical({"sgd": Space(), "adam": with_rate}))


def test_what_is_no_domain_is_refused_with_a_remedy() -> None:
    with pytest.raises(SpaceError, match=r"'batch_size' must be an Int.*but got 64.*Fixed\(value\)"):
        Space(batch_size=64)  # type: ignore[arg-type]
    with pytest.raises(SpaceError, match="the sub-space of choice 'sgd' of 'optimizer' must be a Space, but got None"):
        Space(optimizer=Categorical({"sgd": None}))


def test_spaces_are_frozen_and_travel() -> None:
    with pytest.raises(AttributeError, match="frozen"):
        SMALL.domains = {}
    for other in (pickle.loads(pickle.dumps(SMALL)), copy.deepcopy(SMALL)):
        assert other == SMALL
        assert hash(other) == hash(SMALL)
    changed = SMALL.replace(depth=Int(1, 9))
    assert changed != SMALL
    assert list(changed.domains) == list(SMALL.domains)


def test_representation_shows_the_ranges() -> None:
    assert repr(Space(a=Int(1, 2), b=Fixed(3))) == "Space(a=1:2, b== 3)"
