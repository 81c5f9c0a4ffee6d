"""Corners, limits and recipes of spaces."""

import math
from itertools import product

import pytest

from spaces import (
    Categorical,
    Choice,
    Configuration,
    Fixed,
    Float,
    Int,
    Scalar,
    Space,
    SpaceError,
    corners,
    ends,
    find_broken_limit,
    override,
)
from spaces.domains import Domain

RECIPES = Categorical(
    {
        "plain": Space(activation=Categorical("relu", "tanh"), dropout=Float(0.1, 0.4)),
        "selfnorm": Space(activation=Fixed("selu"), alpha=Float(0.0, 0.1)),
    },
    inline=True,
)
SPACE = Space(depth=Int(1, 6), recipe=RECIPES, rate=Categorical({"slow": Space(), "fast": Space(by=Int(2, 9))}))


def test_a_recipe_gives_values_of_the_configuration_itself() -> None:
    config = SPACE.replay({"depth": 2, "recipe": "selfnorm", "selfnorm.alpha": 0.05, "rate": "slow"})
    assert config == Configuration(
        {"depth": 2, "recipe": "selfnorm", "activation": "selu", "alpha": 0.05, "rate": Choice("slow")}
    )
    other = SPACE.replay(
        {"depth": 2, "recipe": "plain", "plain.activation": "tanh", "plain.dropout": 0.2, "rate": "slow"}
    )
    assert (other.activation, other.dropout, "alpha" in other) == ("tanh", 0.2, False)


def test_names_and_recipes() -> None:
    assert SPACE.names() == ["depth", "recipe", "activation", "dropout", "alpha", "rate"]
    assert SPACE.recipes() == ["recipe"]
    assert "fast.by" in SPACE.distributions()
    assert "plain.dropout" in SPACE.distributions()


def test_recipes_in_recipes() -> None:
    inner = Categorical({"a": Space(x=Int(1, 2)), "b": Space(y=Int(3, 4))}, inline=True)
    space = Space(outer=Categorical({"one": Space(inner=inner), "two": Space(z=Fixed(9))}, inline=True))
    assert space.recipes() == ["outer", "inner"]
    config = space.replay({"outer": "one", "one.inner": "b", "one.b.y": 4})
    assert config == Configuration({"outer": "one", "inner": "b", "y": 4})


def test_the_digest_tells_a_recipe_from_a_choice() -> None:
    spaces = {"a": Space(x=Int(1, 2)), "b": Space()}
    one, other = Space(kind=Categorical(spaces)), Space(kind=Categorical(spaces, inline=True))
    assert one != other
    assert one.diff(other) != []


def test_recipes_need_spaces_and_names_of_their_own() -> None:
    with pytest.raises(SpaceError, match=r"inline choices need sub-spaces, but got \['a', 'b'\]"):
        Categorical("a", "b", inline=True)
    with pytest.raises(SpaceError, match="'dropout' occurs in the space and in the recipes of 'recipe'"):
        Space(dropout=Fixed(0.1), recipe=RECIPES)


def test_overrides_reach_into_recipes_and_leave_them_recipes() -> None:
    space = override(SPACE, ["dropout=0.2:0.3", "recipe=plain"])
    assert space.replay({"depth": 1, "plain.activation": "relu", "plain.dropout": 0.25, "rate": "slow"}).dropout == 0.25


def test_corners_combine_the_ends_of_what_is_named() -> None:
    found = list(corners(SPACE, {"depth", "dropout"}))
    assert len(found) == 6
    assert {(c.depth, c.recipe, c.get("dropout")) for c in found} == {
        *((depth, "plain", dropout) for depth, dropout in product((1, 6), (0.1, 0.4))),
        *((depth, "selfnorm", None) for depth in (1, 6)),
    }
    assert all("rate" not in c and "activation" not in c for c in found)


def test_values_of_different_recipes_never_meet() -> None:
    met = {(c.get("activation"), "dropout" in c) for c in corners(SPACE, {"activation", "dropout"})}
    assert met == {("relu", True), ("tanh", True), ("selu", False)}


def test_corners_of_a_choice_have_its_options() -> None:
    found = {c.rate for c in corners(SPACE, {"rate"})}
    assert found == {Choice("slow"), Choice("fast", {"by": 2}), Choice("fast", {"by": 9})}


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        (Int(2, 5), [2, 5]),
        (Float(0.5, 0.5), [0.5]),
        (Fixed("x"), ["x"]),
        (Categorical(None, False, 2), [None, False, 2]),
    ],
)
def test_ends(domain: Domain, expected: list[Scalar]) -> None:
    assert ends(domain) == expected


LIMITED = Float(0.1, 0.5, at_least=0.0, at_most=1.0)


@pytest.mark.parametrize(
    ("domain", "value", "rule"),
    [
        (LIMITED, 0.0, None),
        (LIMITED, 1, None),
        (LIMITED, -0.1, "must be at least 0.0"),
        (LIMITED, 1.1, "must be at most 1.0"),
        (LIMITED, math.nan, "must be finite"),
        (LIMITED, math.inf, "must be finite"),
        (LIMITED, "0.3", "must be a number"),
        (LIMITED, True, "must be a number"),
        (Fixed(0.1, domain=LIMITED), 7.0, "must be at most 1.0"),
        (Fixed(0.1), "anything", None),
        (Int(1, 3, at_least=0), 2.5, "must be a whole number"),
        (Int(1, 3), 99, None),
        (Categorical("before", "after"), "above", "must be one of before,after"),
        (Categorical("before", "after"), "after", None),
    ],
)
def test_limits_hold_whatever_the_range(domain: Domain, value: object, rule: str | None) -> None:
    assert find_broken_limit(domain, value) == rule
