"""Configurations that a user writes down."""

from __future__ import annotations

import pytest

from search.strategies.given import read_configuration, split_assignments
from spaces import Categorical, Fixed, Float, Int, Scalar, Space, SpaceError

SPACE = Space(
    depth=Int(1, 6),
    rate=Float(0.001, 0.1, log=True),
    batch=Fixed(64),
    bias=Categorical(True, False),
    only=Categorical("here"),
    optimizer=Categorical(
        {
            "sgd": Space(),
            "nesterov": Space(momentum=Float(0.5, 0.99)),
            "heavy_ball": Space(momentum=Float(0.1, 0.9)),
        }
    ),
)


@pytest.mark.parametrize(
    ("given", "parameters"),
    [
        ({"depth": "3"}, {"depth": 3}),
        ({"depth": "3.0", "rate": "1e-2"}, {"depth": 3, "rate": 0.01}),
        ({"bias": "FALSE", "batch": "64.0", "only": "here"}, {"bias": False}),
        ({"momentum": "0.9", "optimizer": "nesterov"}, {"optimizer": "nesterov", "nesterov.momentum": 0.9}),
        ({"momentum": "0.9", "optimizer": "heavy_ball"}, {"optimizer": "heavy_ball", "heavy_ball.momentum": 0.9}),
        ({"nesterov.momentum": "0.9"}, {"optimizer": "nesterov", "nesterov.momentum": 0.9}),
    ],
)
def test_texts_become_parameters_and_the_choices_that_they_imply(
    given: dict[str, str], parameters: dict[str, Scalar]
) -> None:
    found = read_configuration(SPACE, given)
    assert found == parameters
    assert {name: type(value) for name, value in found.items()} == {k: type(v) for k, v in parameters.items()}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"dept": "3"}, "the study's space has no 'dept'; did you mean depth?"),
        ({"depth": "9"}, "depth must be a number in 1:6, but got 9; a fork of the study with --set may have other"),
        ({"depth": "2.5"}, "depth must be on the grid of 1:6, but got 2.5"),
        ({"depth": "deep"}, "depth must be a number in 1:6, but got 'deep'"),
        ({"rate": "nan"}, "rate must be a number in 0.001:0.1 log, but got nan"),
        ({"rate": "inf"}, "rate must be a number in 0.001:0.1 log, but got inf"),
        ({"optimizer": "adam"}, "optimizer must be one of sgd,nesterov,heavy_ball, but got 'adam'"),
        ({"batch": "32"}, "batch is fixed at 64 in the study, but got '32'; leave it out, or fork"),
        (
            {"momentum": "0.9"},
            "'momentum' may be nesterov.momentum with optimizer = nesterov, heavy_ball.momentum",
        ),
        ({"momentum": "0.9", "optimizer": "sgd"}, "'momentum' does not exist with optimizer=sgd; it may be nesterov"),
        (
            {"nesterov.momentum": "0.9", "optimizer": "sgd"},
            "optimizer=sgd does not go with another value",
        ),
    ],
)
def test_what_is_not_in_the_space_is_refused_with_the_rule(given: dict[str, str], sentence: str) -> None:
    with pytest.raises(SpaceError) as refused:
        read_configuration(SPACE, given)
    assert str(refused.value).startswith(sentence)


def test_values_with_commas_are_as_many_configurations() -> None:
    assert list(split_assignments(["depth=3,5", "rate = 0.1"])) == [
        {"depth": "3", "rate": "0.1"},
        {"depth": "5", "rate": "0.1"},
    ]


@pytest.mark.parametrize("assignment", ["depth", "=3", "depth=", "depth=3,", ""])
def test_anything_else_is_no_assignment(assignment: str) -> None:
    with pytest.raises(SpaceError, match="is given as name=value"):
        list(split_assignments([assignment]))
    with pytest.raises(SpaceError, match="write depth=3,5 to try each"):
        list(split_assignments(["depth=3", "depth=5"]))
