"""How a study's images are divided: by a fraction of its own, by groups, or by the folder val/; kept, or refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from search.errors import UsageError
from search.settings import Settings
from search.study.plan import ResolvedStudy, StudyRequest, resolve_new, resolve_stored
from storage.records.studies import StudyRecord
from tests.objectives.data import made
from tests.search.command import search

CLASSES = ["a", "b"]
SHAPE = (6, 6, 1)
OBJECTIVE = """
from objectives import Objective
from spaces import Float, Space


def train(config, data, report):
    raise NotImplementedError


OBJECTIVE = Objective(data="mine", validation_fraction=0.25, train=train, space=Space(rate=Float(0.1, 1.0)))
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Folders of their own, with an objective and its data set of 40 images."""
    (tmp_path / "mine.py").write_text(OBJECTIVE)
    made.write_folders(tmp_path / "sets" / "mine" / "train", made.part(2, 20, SHAPE), CLASSES)
    return Settings(data=tmp_path / "sets", cache=tmp_path / "cache", home=tmp_path / "home")


def request(settings: Settings, **options: Any) -> StudyRequest:
    return StudyRequest(study="s", objective=str(settings.data.parent / "mine.py"), **options)


def record(plan: ResolvedStudy, **changes: object) -> StudyRecord:
    """What is stored of a study with this plan."""
    spec = json.loads(json.dumps({**plan.spec.to_json(), **changes}))
    return StudyRecord(
        study_id=1,
        uuid="u",
        name="s",
        spec=spec,
        trials=5,
        epoch_budget=None,
        control="run",
        reason=None,
        overdue=False,
    )


def add_val(settings: Settings) -> None:
    made.write_folders(settings.data / "mine" / "val", made.part(2, 3, SHAPE, seed=7), CLASSES)


def test_a_fraction_of_its_own_is_stored_and_kept(settings: Settings) -> None:
    usual, own = (resolve_new(request(settings, validation_fraction=each), settings) for each in (None, 0.5))
    assert (usual.spec.validation_fraction, len(usual.split.validation)) == (0.25, 10)
    assert (own.spec.validation_fraction, len(own.split.validation)) == (0.5, 20)
    again = resolve_stored(record(own), request(settings), settings)
    assert again.split.fingerprint == own.split.fingerprint
    with pytest.raises(UsageError, match=r"cannot continue on these: ~ validation_fraction: 0.5 -> 0.25; drop the"):
        resolve_stored(record(own), request(settings, validation_fraction=0.25), settings)
    with pytest.raises(UsageError, match=r"cannot continue on these: ~ group_by: None -> folder; drop the flags"):
        resolve_stored(record(own), request(settings, group_by="folder"), settings)


def test_a_study_of_an_earlier_version_keeps_its_split_beside_a_folder_val(settings: Settings) -> None:
    old = resolve_new(request(settings), settings)
    stored = record(old)
    names = {"validation_fraction", "validation_folder", "group_by"}
    stored = replace(stored, spec={name: value for name, value in stored.spec.items() if name not in names})
    add_val(settings)
    for fraction in (None, 0.25):
        again = resolve_stored(stored, request(settings, validation_fraction=fraction), settings)
        assert again.split.fingerprint == old.split.fingerprint
    with pytest.raises(UsageError, match=r"~ validation_fraction: 0.25 -> 0.5; "):
        resolve_stored(stored, request(settings, validation_fraction=0.5), settings)


def test_the_folder_val_is_the_validation_set_of_a_new_study(settings: Settings) -> None:
    add_val(settings)
    plan = resolve_new(request(settings), settings)
    assert (len(plan.split.train), len(plan.split.validation)) == (40, 6)
    assert (plan.spec.validation_folder, plan.spec.validation_fraction) == (True, None)
    assert plan.notes == ()
    again = resolve_stored(record(plan), request(settings), settings)
    assert again.spec == plan.spec
    with pytest.raises(UsageError, match=r"~ validation_fraction: val/ -> 0.5; "):
        resolve_stored(record(plan), request(settings, validation_fraction=0.5), settings)
    with pytest.raises(UsageError, match=r"--validation-fraction 0.5 splits .* but .*/mine/val has validation images"):
        resolve_new(request(settings, validation_fraction=0.5), settings)


def test_groups_stay_on_one_side_of_a_studys_split(settings: Settings, tmp_path: Path) -> None:
    train = settings.data / "mine" / "train"
    for name in CLASSES:
        for number, file in enumerate(sorted((train / name).iterdir())):
            group = train / name / f"patient-{number % 4}"
            group.mkdir(exist_ok=True)
            file.rename(group / file.name)
    plan = resolve_new(request(settings, group_by="folder"), settings)
    groups = plan.prepared.groups()
    assert groups is not None
    assert not set(groups[plan.split.train]) & set(groups[plan.split.validation])
    assert len(plan.split.validation) == 10
    assert resolve_stored(record(plan), request(settings), settings).spec == plan.spec


@pytest.mark.parametrize("value", ["0", "1", "nan", "-0.1"])
def test_a_fraction_beyond_its_limits_is_one_sentence(value: str) -> None:
    with pytest.raises(UsageError, match=r"^--validation-fraction is the share .* above 0 and below 1, but got"):
        StudyRequest(study="s", validation_fraction=float(value))


def test_a_fraction_that_is_no_number_and_an_unknown_grouping_are_usage_errors() -> None:
    text = search("run", "--study", "digits-depth", "--validation-fraction", "tenth")
    assert (text.code, "'--validation-fraction'" in text.err, "Traceback" in text.err) == (2, True, False)
    with pytest.raises(UsageError, match=r"^--group-by folder keeps .* but got 'patient'; leave it out for images in"):
        StudyRequest(study="s", group_by="patient")
