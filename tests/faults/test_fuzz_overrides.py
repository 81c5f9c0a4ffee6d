"""Overrides of shipped objectives' spaces with anything that can be typed after --set."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import optuna
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from objectives.base.errors import ObjectiveError
from objectives.discovery import find_objective, objective_names
from spaces import Categorical, Domain, Fixed, Int, Space, SpaceError, override
from tests.faults.fuzz import BREAKS, FUZZ, NUMBERS, TEXTS, one_line

pytestmark = pytest.mark.faults

OBJECTIVES = {name: find_objective(name).objective for name in objective_names()}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Silence Optuna, which logs every study that is created."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(before)


def _sensible(domain: Domain) -> st.SearchStrategy[str]:
    """Draw a text that the domain may well accept."""
    if isinstance(domain, Categorical):
        return st.lists(st.sampled_from(domain.choices).map(str), min_size=1, max_size=3).map(",".join)
    if isinstance(domain, Fixed):
        return st.sampled_from(("1", "0.5", "true", "none", "16:64", "32,64", str(domain.value)))
    number: st.SearchStrategy[float] = st.floats(domain.low, domain.high)
    if isinstance(domain, Int):
        number = st.integers(domain.low, domain.high)
    ends = st.tuples(number, number).map(sorted)
    return st.one_of(
        number.map(str),
        ends.map(lambda pair: f"{pair[0]}:{pair[1]}"),
        st.lists(number, min_size=1, max_size=4).map(lambda numbers: ",".join(map(str, numbers))),
    )


def _odd() -> st.SearchStrategy[str]:
    return st.one_of(
        NUMBERS,
        TEXTS,
        st.lists(NUMBERS, min_size=2, max_size=3).map(":".join),
        st.builds("{}:{}".format, st.integers(0, 9), st.integers(1, 99)),
        st.lists(st.one_of(NUMBERS, NUMBERS, TEXTS), min_size=2, max_size=4).map(",".join),
        st.just("," * 50),
    )


@st.composite
def assignments(draw: st.DrawFn) -> tuple[str, list[str]]:
    """Draw an objective's name and what may follow --set: mostly names that it has, often with odd values."""
    objective = draw(st.sampled_from(sorted(OBJECTIVES)))
    entries = list(OBJECTIVES[objective].space.entries())
    given = []
    for _ in range(draw(st.integers(1, 3))):
        entry, kind = draw(st.sampled_from(entries)), draw(st.sampled_from("aaaabbbbcde"))
        name = draw(st.sampled_from((entry.name, entry.name.rpartition(".")[2])))
        match kind:
            case "a":
                given.append(f"{name}={draw(_sensible(entry.domain))}")
            case "b":
                given.append(f" {name} = {draw(_odd())}")
            case "c":
                given.append(f"{name}={draw(NUMBERS)}{draw(BREAKS)}{draw(NUMBERS)}")
            case "d":
                given.append(f"{draw(st.one_of(TEXTS, st.just(name[:-1] + 'z')))}={draw(NUMBERS)}")
            case _:
                given.append(draw(TEXTS))
    return objective, given


@FUZZ
@given(assignments())
@example(("digits-depth", ["width=a\nb"]))
def test_an_override_gives_a_space_that_can_be_searched_or_one_sentence(asked: tuple[str, list[str]]) -> None:
    name, texts = asked
    try:
        space = override(OBJECTIVES[name].space, texts)
    except SpaceError as error:
        one_line(error)
        return
    _search(space)
    try:
        replace(OBJECTIVES[name], space=space)
    except ObjectiveError as error:
        one_line(error)


def _search(space: Space) -> None:
    """Do everything that the service does with a space."""
    assert override(space, []).digest == space.digest
    json.dumps(space.describe())
    space.distributions()
    for sampler in (optuna.samplers.RandomSampler(seed=0), _Ends(first=True), _Ends(first=False)):
        trial = optuna.create_study(sampler=sampler).ask()
        drawn = space.sample(trial)
        assert space.replay(trial.params) == drawn
        json.dumps(drawn.to_json())


class _Ends(optuna.samplers.RandomSampler):
    """Draws one end of every range."""

    def __init__(self, *, first: bool) -> None:
        super().__init__(seed=0)
        self._first = first

    def sample_independent(
        self,
        study: optuna.Study,
        trial: optuna.trial.FrozenTrial,
        param_name: str,
        param_distribution: optuna.distributions.BaseDistribution,
    ) -> object:
        """Return the first or last choice, the lowest or highest number."""
        if isinstance(param_distribution, optuna.distributions.CategoricalDistribution):
            return param_distribution.choices[0 if self._first else -1]
        assert isinstance(
            param_distribution, optuna.distributions.IntDistribution | optuna.distributions.FloatDistribution
        )
        return param_distribution.low if self._first else param_distribution.high
