"""A space as numbers: what goes in comes out, and what does not exist does not count."""

from __future__ import annotations

import numpy as np
import pytest

from objectives.discovery import find_objective, objective_names
from search.strategies.gp.encoding import Encoding
from spaces import Categorical, Fixed, Float, Int, Space, Unless

NESTED = Space(
    width=Int(16, 512, log=True),
    depth=Int(1, 6),
    units=Int(10, 50, step=10),
    rate=Float(1e-4, 1e-1, log=True),
    share=Float(0.0, 0.5, step=0.1),
    optimizer=Categorical(
        {
            "sgd": Space(
                momentum=Float(0.0, 0.9), nesterov=Categorical({"yes": Space(damping=Float(0, 1)), "no": Space()})
            ),
            "adam": Space(beta=Float(0.9, 0.999)),
        }
    ),
    batch=Fixed(64),
)


def test_values_come_back_from_their_units() -> None:
    encoding = Encoding(NESTED)
    values = {
        "width": 91,
        "depth": 4,
        "units": 30,
        "rate": 0.003,
        "share": 0.3,
        "optimizer": "sgd",
        "sgd.momentum": 0.42,
        "sgd.nesterov": "yes",
        "sgd.yes.damping": 0.25,
    }
    units = encoding.units(values)
    assert np.isnan(units[[p.name == "adam.beta" for p in encoding.parameters]]).all()
    found = encoding.values(np.where(np.isnan(units), 0.5, units))
    assert encoding.snap(units[None])[0] == pytest.approx(units, nan_ok=True)
    assert found.keys() == values.keys()
    for name, value in values.items():
        assert found[name] == (pytest.approx(value) if isinstance(value, float) else value)
    assert isinstance(found["width"], int)


def test_units_of_known_values() -> None:
    encoding = Encoding(Space(a=Float(1, 100, log=True), b=Int(0, 10), c=Categorical("x", "y")))
    assert encoding.units({"a": 10.0, "b": 5, "c": "y"}) == pytest.approx([0.5, 0.5, 0.75])
    assert np.isnan(encoding.units({"a": 1000.0, "c": "z"})).all()  # out of range, absent, unknown


def test_a_parameter_does_not_exist_beside_a_choice_that_excludes_it() -> None:
    space = Space(
        schedule=Categorical({"cosine": Space(), "one_cycle": Space()}),
        optimizer=Categorical({"sgd": Space(momentum=Float(0, 0.9, unless=Unless("schedule", ("one_cycle",))))}),
    )
    encoding = Encoding(space)
    assert encoding.values(np.array([0.25, 0.5])) == {"schedule": "cosine", "sgd.momentum": pytest.approx(0.45)}
    assert encoding.values(np.array([0.75, 0.5])) == {"schedule": "one_cycle"}
    other = encoding.features(np.array([[0.75, 0.2], [0.75, 0.9]]))
    assert (other[0] == other[1]).all()


@pytest.mark.parametrize("name", objective_names())
def test_every_point_of_every_shipped_space_is_a_configuration_of_it(name: str) -> None:
    space = find_objective(name).objective.space
    encoding = Encoding(space)
    random = np.random.default_rng(0)
    for units in encoding.draw(random.random((100, len(encoding)))):
        values = encoding.values(units)
        space.replay(values)
        kept = encoding.units(values)
        assert kept[~np.isnan(kept)] == pytest.approx(units[~np.isnan(kept)])


def test_whole_numbers_at_the_ends_are_as_likely_as_the_rest() -> None:
    encoding = Encoding(Space(depth=Int(1, 5)))
    drawn = encoding.draw(np.linspace(0, 1, 5001)[:, None])
    _, counts = np.unique(drawn, return_counts=True)
    assert len(counts) == 5
    assert counts.min() > 0.99 * counts.max()


def test_what_does_not_exist_makes_no_difference() -> None:
    encoding = Encoding(NESTED)
    places = [parameter.name for parameter in encoding.parameters]
    units = np.full((2, len(encoding)), 0.3)
    units[:, places.index("optimizer")] = 0.75  # adam
    units[1, places.index("sgd.momentum")] = 0.9
    units[1, places.index("sgd.yes.damping")] = 0.1
    first, second = encoding.features(units)
    assert (first == second).all()
    units[1, places.index("adam.beta")] = 0.9
    assert (encoding.features(units)[1] != first).sum() == 1


def test_choices_are_as_far_apart_as_one_another() -> None:
    encoding = Encoding(Space(kind=Categorical("a", "b", "c")))
    features = encoding.features(np.array([[1 / 6], [1 / 2], [5 / 6]]))
    distances = np.linalg.norm(features[:, None] - features[None], axis=-1)
    assert distances[np.triu_indices(3, 1)] == pytest.approx(0.7 * 2**0.5)


def test_a_range_of_one_value_is_in_the_middle() -> None:
    encoding = Encoding(Space(one=Int(3, 3), other=Float(0, 1)))
    assert encoding.units({"one": 3, "other": 1.0}) == pytest.approx([0.5, 1.0])
    assert encoding.values(np.array([0.9, 0.5]))["one"] == 3


def test_every_configuration_is_listed_once() -> None:
    space = Space(
        depth=Int(1, 9, step=4),
        share=Float(0.0, 0.2, step=0.1),
        kind=Categorical({"a": Space(units=Int(1, 2), more=Categorical({"x": Space(z=Int(3, 3))})), "b": Space()}),
    )
    encoding = Encoding(space)
    every = encoding.list_all(np.full(len(encoding), np.nan), 27)
    assert every is not None
    listed = [tuple(encoding.values(units).items()) for units in every]
    assert len(set(listed)) == len(listed) == encoding.count(27) == 3 * 3 * (2 + 1)
    assert encoding.count(26) is None
    assert encoding.are_whole(every).all()
    for values in listed:
        space.replay(dict(values))
    held = encoding.list_all(encoding.units({"kind": "a", "depth": 5}), 27)
    assert held is not None
    assert [encoding.values(units) for units in held] == [
        dict(values) for values in listed if {("kind", "a"), ("depth", 5)} <= set(values)
    ]


def test_a_space_without_end_is_not_listed() -> None:
    assert Encoding(Space(a=Int(1, 2), b=Categorical({"a": Space(x=Float(0, 1)), "b": Space()}))).count(10**6) is None
    assert Encoding(Space(a=Int(1, 10**12))).count(10**4) is None
