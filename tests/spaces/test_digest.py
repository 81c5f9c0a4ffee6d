"""Digests and differences: equal for equal spaces, the same in every process, never silent about a change."""

import os
import subprocess
import sys

import pytest
from hypothesis import given, settings

from spaces import Categorical, Fixed, Float, Int, Space
from tests.spaces.made import SMALL, spaces

GOLDEN_SPACE = (
    "from spaces import *; space = Space(depth=Int(1, 6), rate=Float(1e-4, 0.1, log=True), "
    "norm=Categorical(False, True), "
    "optimizer=Categorical({'sgd': Space(), 'nesterov': Space(momentum=Float(0.5, 0.99))}), size=Fixed(64))"
)
# It changes only with the description of every stored study's space.
GOLDEN = "6af1dcbb3171c20029d5dfb45508f8adff7acdd34ff320462f2115009c7547b2"

# Each differs from all the others, most from the first by one thing.
DIFFERENT = {
    "first": Space(a=Int(1, 8), b=Float(0.1, 0.5)),
    "low": Space(a=Int(2, 8), b=Float(0.1, 0.5)),
    "high": Space(a=Int(1, 9), b=Float(0.1, 0.5)),
    "log": Space(a=Int(1, 8, log=True), b=Float(0.1, 0.5)),
    "step": Space(a=Int(1, 8, step=7), b=Float(0.1, 0.5)),
    "tiny": Space(a=Int(1, 8), b=Float(0.1, 0.5000000001)),
    "float log": Space(a=Int(1, 8), b=Float(0.1, 0.5, log=True)),
    "float step": Space(a=Int(1, 8), b=Float(0.1, 0.5, step=0.2)),
    "type": Space(a=Float(1, 8), b=Float(0.1, 0.5)),
    "fixed": Space(a=Fixed(1), b=Float(0.1, 0.5)),
    "fixed bool": Space(a=Fixed(True), b=Float(0.1, 0.5)),
    "fixed float": Space(a=Fixed(1.0), b=Float(0.1, 0.5)),
    "fixed text": Space(a=Fixed("1"), b=Float(0.1, 0.5)),
    "fixed none": Space(a=Fixed(None), b=Float(0.1, 0.5)),
    "fixed None": Space(a=Fixed("None"), b=Float(0.1, 0.5)),
    "order": Space(b=Float(0.1, 0.5), a=Int(1, 8)),
    "name": Space(c=Int(1, 8), b=Float(0.1, 0.5)),
    "more": Space(a=Int(1, 8), b=Float(0.1, 0.5), c=Fixed(1)),
    "less": Space(a=Int(1, 8)),
    "none": Space(),
    "choices": Space(a=Categorical("x", "y")),
    "order of choices": Space(a=Categorical("y", "x")),
    "more choices": Space(a=Categorical("x", "y", "z")),
    "one choice": Space(a=Categorical("x,y")),
    "numbers": Space(a=Categorical(1, 2)),
    "texts of numbers": Space(a=Categorical("1", "2")),
    "named choices": Space(a=Categorical({"x": Space(), "y": Space()})),
    "named choices, other order": Space(a=Categorical({"y": Space(), "x": Space()})),
    "option": Space(a=Categorical({"x": Space(), "y": Space(p=Int(1, 2))})),
    "option elsewhere": Space(a=Categorical({"x": Space(p=Int(1, 2)), "y": Space()})),
}


def _digest(seed: str) -> str:
    code = f"{GOLDEN_SPACE}; print(space.digest)"
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return result.stdout.strip()


@pytest.mark.parametrize("hash_seed", ["0", "1234"])
def test_the_same_in_every_process(hash_seed: str) -> None:
    assert _digest(hash_seed) == GOLDEN


@pytest.mark.parametrize("name", DIFFERENT)
def test_every_change_changes_it_and_is_shown(name: str) -> None:
    old = DIFFERENT[name]
    for new in (space for other, space in DIFFERENT.items() if other != name):
        assert old.digest != new.digest
        assert old != new
        assert old.diff(new)


@settings(max_examples=60, deadline=None)
@given(one=spaces(), other=spaces())
def test_digest_equality_and_difference_agree(one: Space, other: Space) -> None:
    copied = Space(dict(one.domains))
    assert copied == one
    assert (copied.digest, copied.diff(one)) == (one.digest, [])
    assert (one == other) == (one.digest == other.digest) == (one.diff(other) == [])


def test_limits_of_overrides_are_no_part_of_it() -> None:
    assert Space(a=Int(1, 8, at_least=1, at_most=64)).digest == Space(a=Int(1, 8)).digest
    assert Space(a=Fixed(3, domain=Int(1, 8))).digest == Space(a=Fixed(3)).digest


def test_difference_has_a_line_for_each_parameter() -> None:
    other = SMALL.replace(
        depth=Int(1, 9),
        optimizer=Categorical({"sgd": Space(learning_rate=Float(0.001, 1.0, log=True), decay=Fixed(0.1))}),
        extra=Fixed("x"),
    )
    assert SMALL.diff(other) == [
        "- nesterov.learning_rate: 0.001:0.3 log",
        "- nesterov.momentum: 0.5:0.99",
        "~ depth: 1:6 -> 1:9",
        "~ optimizer: sgd,nesterov -> sgd",
        "+ sgd.decay: = 0.1",
        "+ extra: = x",
    ]
    assert SMALL.diff(SMALL) == []


def test_difference_tells_a_new_order() -> None:
    assert DIFFERENT["first"].diff(DIFFERENT["order"]) == ["~ order: a, b -> b, a"]


def test_description_for_people() -> None:
    assert SMALL.describe()[4:8] == [
        ("activation", "relu,gelu", ""),
        ("optimizer", "sgd,nesterov", ""),
        ("sgd.learning_rate", "0.001:1.0 log", "optimizer = sgd"),
        ("nesterov.learning_rate", "0.001:0.3 log", "optimizer = nesterov"),
    ]


def test_no_torch_is_imported() -> None:
    code = (
        "import sys; from spaces import standard; import spaces.overriding.overrides; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
