"""Spaces from their descriptions: as they are stored today, and as storages of schema version 3 keep them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given

from spaces import Categorical, Fixed, Float, Space, SpaceError
from spaces.described import convert_rows
from tests.spaces.made import EVERYTHING, spaces

RECIPES = Space(recipe=Categorical({"a": Space(rate=Float(0, 1)), "b": Space(rate=Fixed(0.5))}, inline=True))


@example(EVERYTHING)
@example(RECIPES)
@given(spaces())
def test_a_space_is_read_from_its_description(space: Space) -> None:
    read = Space.from_json(json.loads(json.dumps(space.to_json())))
    assert read == space
    assert read.describe() == space.describe()
    assert read.recipes() == space.recipes()


@pytest.mark.parametrize(
    "described",
    [{}, {"int": [1]}, {"int": [1, 2]}, {"fixd": 1}, {"float": [2.0, 1.0], "log": False, "step": None}],
)
def test_a_description_of_no_space_is_refused(described: dict[str, Any]) -> None:
    with pytest.raises(SpaceError):
        Space.from_json({"name": described})


@example(EVERYTHING)
@example(RECIPES)
@given(spaces())
def test_the_rows_of_version_3_give_a_space_with_the_same_parameters(space: Space) -> None:
    read = Space.from_json(convert_rows(json.loads(json.dumps(space.describe()))))
    assert read.describe() == space.describe()
    assert read.distributions() == space.distributions()


def test_the_rows_of_version_3_give_the_same_space_unless_it_has_recipes() -> None:
    assert Space.from_json(convert_rows(EVERYTHING.describe())) == EVERYTHING


def test_the_rows_are_read_as_version_3_wrote_them() -> None:
    """Written out, so that a change of `Space.describe` does not change what old records mean."""
    rows = [
        ("depth", "1:4", ""),
        ("rate", "1e-05:0.1 log", ""),
        ("drop", "0.0:0.5 step 0.1", ""),
        ("size", "= 32", ""),
        ("optimizer", "sgd,'a b'", ""),
        ("sgd.momentum", "= 0.9", "optimizer = sgd"),
        ("a b.momentum", "0.5:0.9", "optimizer = a b"),
    ]
    assert convert_rows(rows) == {
        "depth": {"int": [1, 4], "log": False, "step": 1},
        "rate": {"float": [1e-05, 0.1], "log": True, "step": None},
        "drop": {"float": [0.0, 0.5], "log": False, "step": 0.1},
        "size": {"fixed": 32},
        "optimizer": {
            "choices": ["sgd", "a b"],
            "spaces": {
                "sgd": {"momentum": {"fixed": 0.9}},
                "a b": {"momentum": {"float": [0.5, 0.9], "log": False, "step": None}},
            },
        },
    }
