"""Configurations and choices: frozen, hashable, picklable, turned into dataclasses."""

import copy
import pickle
from dataclasses import dataclass, field

import pytest

from spaces import Choice, Configuration, SpaceError

MADE = Configuration(
    {"depth": 3, "shape": (1, 28, 28), "optimizer": Choice("nesterov", {"momentum": 0.9, "learning_rate": 0.1})}
)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Two fields that must be given and two that need not."""

    depth: int
    optimizer: Choice
    width: int = 8
    tags: list[str] = field(default_factory=list)


def test_reads_by_attribute_and_by_key() -> None:
    assert MADE.depth == MADE["depth"] == 3
    assert MADE.optimizer.options.momentum == 0.9
    assert list(MADE) == ["depth", "shape", "optimizer"]
    assert len(MADE) == 3


def test_absent_name_is_told_with_those_there_are() -> None:
    with pytest.raises(AttributeError, match="has no 'widht'; it has depth, shape, optimizer"):
        _ = MADE.widht
    with pytest.raises(AttributeError, match="has no 'x'; it has nothing"):
        _ = Configuration({}).x
    with pytest.raises(KeyError):
        _ = MADE["widht"]


def test_frozen() -> None:
    with pytest.raises(AttributeError, match=r"frozen; use config.replace\(depth="):
        MADE.depth = 4
    with pytest.raises(TypeError):
        MADE["depth"] = 4
    with pytest.raises(AttributeError, match="frozen"):
        MADE.optimizer.name = "sgd"


def test_does_not_follow_the_mapping_it_was_made_from() -> None:
    values = {"depth": 1}
    made = Configuration(values)
    values["depth"] = 2
    assert made.depth == 1


def test_equal_ones_hash_alike() -> None:
    same = Configuration(dict(reversed(list(MADE.items()))))
    assert same == MADE
    assert hash(same) == hash(MADE)
    assert hash(Configuration({"a": 1})) == hash(Configuration({"a": 1.0}))
    assert Choice("a", {"x": 1}) == Choice("a", {"x": 1})
    assert len({Choice("a"), Choice("a", {"x": 1}), Choice("b"), Choice("a")}) == 3
    assert Choice("a") != "a"


@pytest.mark.parametrize("copied", [pickle.loads(pickle.dumps(MADE)), copy.copy(MADE), copy.deepcopy(MADE)])
def test_survives_pickle_and_copy(copied: Configuration) -> None:
    assert copied == MADE
    assert isinstance(copied.optimizer, Choice)
    assert isinstance(copied.optimizer.options, Configuration)


def test_replace_leaves_the_first_alone() -> None:
    changed = MADE.replace(depth=4, seed=1)
    assert (changed.depth, changed.seed, MADE.depth) == (4, 1, 3)
    assert "seed" not in MADE


def test_into_takes_what_the_dataclass_has_fields_for() -> None:
    assert MADE.into(Wanted) == Wanted(depth=3, optimizer=MADE.optimizer)
    assert MADE.replace(width=16).into(Wanted).width == 16


def test_into_names_every_missing_field() -> None:
    with pytest.raises(SpaceError, match="Wanted needs a value for depth, optimizer; add it to the space"):
        Configuration({"width": 3}).into(Wanted)


def test_json_is_plain() -> None:
    assert MADE.to_json() == {
        "depth": 3,
        "shape": (1, 28, 28),
        "optimizer": {"name": "nesterov", "momentum": 0.9, "learning_rate": 0.1},
    }


def test_representation_shows_the_values() -> None:
    assert repr(Configuration({"depth": 3})) == "Configuration({'depth': 3})"
    assert repr(Choice("a", {"x": 1})) == "Choice('a', {'x': 1})"
