"""Domains: each rule has its sentence, with the value in it."""

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from spaces import Categorical, Domain, Fixed, Float, Int, Space, SpaceError, standard
from tests.spaces.made import floats, ints

# What is built, the value that the message must have, the rule that it must have.
WRONG: list[tuple[Callable[[], object], str, str]] = [
    (lambda: Int(3, 1), "low=3, high=1", "low <= high"),
    (lambda: Int(1.5, 3), "low=1.5", "whole number"),  # type: ignore[arg-type]
    (lambda: Int(True, 3), "low=True", "whole number"),
    (lambda: Int(1, "3"), "high='3'", "whole number"),  # type: ignore[arg-type]
    (lambda: Int(0, 10, log=True), "low=0", "start above 0"),
    (lambda: Int(1, 10, step=0), "step=0", "at least 1"),
    (lambda: Int(1, 10, step=-3), "step=-3", "at least 1"),
    (lambda: Int(1, 9, step=2, log=True), "step=2", "log range"),
    (lambda: Int(1, 10, step=2), "high=10, step=2", "whole number of steps"),
    (lambda: Int(0, 10, at_least=1), "low=0", "at least 1"),
    (lambda: Int(1, 10, at_most=8), "high=10", "at most 8"),
    (lambda: Int(1, 2**53 + 1), "9007199254740993", "within"),
    (lambda: Float(0.5, 0.1), "low=0.5, high=0.1", "low <= high"),
    (lambda: Float(math.nan, 1.0), "low=nan", "finite"),
    (lambda: Float(0.0, math.inf), "high=inf", "finite"),
    (lambda: Float(0.0, 10**400), "high=1000", "finite"),
    (lambda: Float(-1.5e308, 1.5e308), "high=1.5e+308", "finite"),
    (lambda: Float("0", 1.0), "low='0'", "number"),  # type: ignore[arg-type]
    (lambda: Float(0.0, 1.0, log=True), "low=0.0", "start above 0"),
    (lambda: Float(0.0, 1.0, step=0.0), "step=0.0", "above 0"),
    (lambda: Float(0.0, 1.0, step=math.nan), "step=nan", "finite"),
    (lambda: Float(0.1, 1.0, step=0.1, log=True), "step=0.1", "log range"),
    (lambda: Float(0.0, 1.0, step=0.3), "step=0.3", "whole number of steps"),
    (lambda: Float(0.0, 1e300, step=1e-5), "step=1e-05", "at most"),
    (lambda: Float(-0.1, 0.5, at_least=0.0), "low=-0.1", "at least 0.0"),
    (lambda: Float(0.0, 1.5, at_most=0.9), "high=1.5", "at most 0.9"),
    (lambda: Categorical(), "got none", "at least one choice"),
    (lambda: Categorical({}), "got none", "at least one choice"),
    (lambda: Categorical("a", "b", "a"), "['a', 'b', 'a']", "must differ"),
    (lambda: Categorical(1, True), "[1, True]", "must differ"),
    (lambda: Categorical((1, 2), (3, 4)), "(1, 2)", "choice must be"),  # type: ignore[arg-type]
    (lambda: Categorical(0.1, math.nan), "nan", "finite"),
    (lambda: Categorical({1: Space()}), "got 1", "name"),  # type: ignore[dict-item]
    (lambda: Fixed([1, 2]), "[1, 2]", "fixed value must be"),  # type: ignore[arg-type]
    (lambda: Fixed(math.inf), "inf", "finite"),
]


@pytest.mark.parametrize(("build", "value", "rule"), WRONG)
def test_wrong_domain_names_value_and_rule(build: Callable[[], object], value: str, rule: str) -> None:
    with pytest.raises(SpaceError) as caught:
        build()
    assert value in str(caught.value)
    assert rule in str(caught.value)


def test_range_of_one_value_is_allowed() -> None:
    assert Int(3, 3).low == Int(3, 3).high == 3
    assert Float(0.1, 0.1, log=True).high == 0.1


def test_whole_numbers_become_floats_in_a_float() -> None:
    assert Float(0, 1).to_json() == Float(0.0, 1.0).to_json()
    assert Float(0, 10, step=1).to_json() == Float(0.0, 10.0, step=1.0).to_json()


def test_distributions_are_optunas() -> None:
    assert Int(1, 9, step=2).distribution == IntDistribution(1, 9, step=2)
    assert Int(1, 9, log=True).distribution == IntDistribution(1, 9, log=True)
    assert Float(0.1, 1.0, log=True).distribution == FloatDistribution(0.1, 1.0, log=True)
    assert Float(0.0, 1.0, step=0.25).distribution == FloatDistribution(0.0, 1.0, step=0.25)
    assert Categorical("a", None, 3).distribution == CategoricalDistribution(("a", None, 3))


@given(domain=ints() | floats())
def test_optuna_takes_every_valid_range_as_it_is(domain: Int | Float) -> None:
    """Optuna would lower `high` to the grid, with a warning, which is an error here."""
    assert (domain.distribution.low, domain.distribution.high) == (domain.low, domain.high)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("domain", "text"),
    [
        (Int(1, 8), "1:8"),
        (Int(16, 512, log=True), "16:512 log"),
        (Int(2, 8, step=2), "2:8 step 2"),
        (Float(1e-4, 0.1, log=True), "0.0001:0.1 log"),
        (Float(0, 1, step=0.25), "0.0:1.0 step 0.25"),
        (Categorical("relu", "leaky_relu"), "relu,leaky_relu"),
        (Categorical(False, True, None), "False,True,None"),
        (Categorical("1", "True", "a b"), "'1','True','a b'"),
        (Fixed(64), "= 64"),
        (Fixed("64"), "= '64'"),
    ],
)
def test_text_for_people(domain: Domain, text: str) -> None:
    assert str(domain) == text


def test_domains_are_frozen_and_hashable() -> None:
    for domain in (Int(1, 2), Float(1, 2), Fixed(1), Categorical("a", "b"), Categorical({"a": Space()})):
        assert {domain: 1}[domain] == 1
        with pytest.raises(AttributeError):
            domain.low = 0  # type: ignore[misc, union-attr]


@pytest.mark.parametrize(
    "name",
    ["depth", "width", "learning_rate", "momentum", "dropout", "weight_decay", "batch_size", "final_fraction"],
)
def test_standard_domains_keep_their_limits(name: str) -> None:
    make = getattr(standard, name)
    domain = make()
    assert domain.at_least is not None
    assert domain.at_most is not None
    with pytest.raises(SpaceError, match="at most"):
        make(domain.low, type(domain.at_most)(domain.at_most * 2 + 1))


def test_a_log_range_whose_ratio_is_no_float_is_refused() -> None:
    assert Float(1e-150, 1e150, log=True).high == 1e150
    with pytest.raises(SpaceError, match="high / low of a log range must be finite, but got low=1e-200, high=1e"):
        Float(1e-200, 1e200, log=True)
