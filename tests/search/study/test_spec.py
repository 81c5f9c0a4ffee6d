"""The stored record of a study: what it keeps, and records of earlier versions."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from functools import cache
from pathlib import Path

import pytest

from objectives.discovery import find_objective, objective_names
from search.errors import UsageError
from search.study.compatibility import Compatibility
from search.study.options import OPTIONS, StudyOptions
from search.study.plan import StudyRequest
from search.study.spec import StudySpec
from spaces import Space, override
from spaces.described import convert_rows
from tests.search.earlier import planned
from tests.spaces.made import EVERYTHING

# Version 3 knew no parameter that does not exist beside certain choices.
SPACES = {
    name: space
    for name in objective_names()
    for space in (find_objective(name).objective.space,)
    if not any(entry.unless for entry in space.entries())
}


@cache
def spec() -> StudySpec:
    return planned("any").spec


def stored_by_version_3(name: str) -> dict[str, object]:
    """A record as it was before spaces were kept as structured data."""
    rows = [list(row) for row in SPACES[name].describe()]
    return json.loads(json.dumps({**spec().to_json(), "space": rows}))  # type: ignore[no-any-return]


def test_a_record_is_read_as_it_was_stored() -> None:
    assert StudySpec.from_json(json.loads(json.dumps(spec().to_json()))) == spec()
    assert spec().read_space() == find_objective("digits-depth").objective.space
    assert spec().read_space().digest == spec().space_digest


@pytest.mark.parametrize("name", SPACES)
def test_a_space_of_version_3_is_read_as_it_was_shown(name: str) -> None:
    space, read = SPACES[name], StudySpec.from_json(stored_by_version_3(name)).read_space()
    assert read.describe() == space.describe()
    assert read.distributions() == space.distributions()
    if not space.recipes():
        assert read == space


def test_trials_of_a_version_3_study_are_carried_over_as_those_of_a_new_one() -> None:
    space = EVERYTHING
    old = Space.from_json(convert_rows([list(row) for row in space.describe()]))
    trial = {name: distribution.to_external_repr(0) for name, distribution in space.distributions().items()}
    trial |= {"whole": 1, "log": 2, "grid": 0.5, "small": 1e-5, "huge": 2.0, "a.a.end": 1}
    for changes, fits in ([(), True], [("number=2",), False], [("words=relu",), True], [("whole=3:7",), False]):
        now = override(space, changes)
        found = [Compatibility(before, now).parameters(trial) for before in (space, old)]
        assert found[0] == found[1]
        assert (found[0] is not None) == fits, changes


def test_a_version_3_record_differs_in_nothing_from_todays() -> None:
    old = StudySpec.from_json(stored_by_version_3("digits-depth"))
    assert old.differences(spec()) == []
    changed = replace(
        spec(), space=override(spec().read_space(), ["depth=2"]).to_json(), space_digest="another", epochs=4
    )
    assert old.differences(changed) == ["~ epochs: 3 -> 4", "~ depth: 1:6 -> = 2"]


def test_what_an_earlier_version_did_not_store_is_filled_in() -> None:
    empty = StudySpec.from_json({"objective": "digits-depth", "dataset": "digits"})
    assert (empty.audit, empty.sources, empty.space, empty.experience, empty.epochs) == (0.0, {}, {}, None, None)
    assert StudySpec.from_json({**spec().to_json(), "invented_later": 1}) == spec()


def test_every_option_is_asked_for_stored_and_compared() -> None:
    assert {each.name for each in fields(StudyOptions)} == OPTIONS.keys()
    for kind in (StudyRequest, StudySpec):
        assert OPTIONS.keys() <= {each.name for each in fields(kind)}
    for name in OPTIONS:
        other = replace(spec(), **{name: "other"})
        [line] = spec().differences(other)
        assert line == f"~ {name}: {getattr(spec(), name)} -> other"
        assert bool(spec().differences_of_trials(other)) == OPTIONS[name].changes_trials


def test_a_request_is_filled_from_the_study_and_then_from_the_objective() -> None:
    objective = find_objective("digits-depth").objective
    asked = StudyRequest(study="s", seed=0, epochs=7)
    filled = asked.fill(replace(spec(), seed=5, sampler="tpe"))
    assert (filled.study, filled.seed, filled.epochs, filled.sampler) == ("s", 0, 7, "tpe")
    resolved = asked.resolve(objective)
    assert (resolved.seed, resolved.epochs, resolved.sampler, resolved.audit) == (0, 7, "curves", 0.05)
    assert StudyRequest(study="s").resolve(objective).epochs == objective.epochs


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("epochs", 0, "--epochs must be above 0"),
        ("train_examples", 2**31, "--train-examples must be above 0"),
        ("sampler", "tpee", "unknown sampler 'tpee'"),
        ("pruner", "non", "unknown pruner 'non'"),
        ("audit", 2.0, "--audit is a share"),
        ("trials", 0, "--trials must be above 0"),
        ("timeout", float("nan"), "--timeout must be above 0"),
    ],
)
def test_a_request_checks_its_values(name: str, value: object, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        StudyRequest(study="s", **{name: value})  # type: ignore[arg-type]


def test_a_new_study_tells_of_adamw_where_adam_has_an_l2_penalty(tmp_path: Path) -> None:
    file = tmp_path / "penalized.py"
    file.write_text(
        "from objectives import Objective\n"
        "from spaces import Fixed, Float, Space\n"
        "OBJECTIVE = Objective(data='digits', model='mlp', space=Space(depth=Fixed(1), width=Fixed(8), "
        "learning_rate=Fixed(0.01), optimizer=Fixed('adam'), l2=Float(1e-6, 1e-3, log=True)))\n"
    )
    assert "optimizer adamw with weight_decay" in planned("any", str(file)).notes[0]
    assert not planned("any").notes
