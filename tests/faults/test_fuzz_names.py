"""Study names: any text is either refused in one sentence, or works as the name of a study and of a folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from search.errors import UsageError
from search.study.plan import StudyRequest, check_name
from storage import url
from storage.database import open_database
from storage.records import studies
from tests.faults.fuzz import FUZZ, TEXTS, one_line

pytestmark = pytest.mark.faults

PRINTABLE = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=30)
ODD_NAMES = (
    "x" * 200,
    "é" * 200,
    "🙂" * 200,
    "漢" * 85,
    "%s",
    "{}",
    "[red]x[/red]",
    "a:b",
    "$(x)",
    "a=b",
    "*",
    "~",
    "NULL",
)
NAMES = st.one_of(TEXTS, PRINTABLE, st.sampled_from(ODD_NAMES), st.text("ab .-/\\\"'", max_size=5))


@FUZZ
@given(name=NAMES)
def test_a_name_is_accepted_or_refused_in_one_sentence(name: str) -> None:
    try:
        StudyRequest(study=name)
    except UsageError as error:
        one_line(error)
    else:
        assert json.loads(json.dumps(name)) == name == name.strip()


def test_accepted_names_are_kept_and_make_folders(database_url: str, tmp_path: Path) -> None:
    accepted: list[str] = []
    with open_database(url.parse(database_url)) as database:

        @settings(FUZZ, max_examples=60)
        @given(name=st.one_of(PRINTABLE, st.sampled_from(ODD_NAMES)))
        @example(name="é" * 200)
        def keep(name: str) -> None:
            try:
                check_name(name)
            except UsageError:
                return
            if name in accepted:
                return
            studies.create(database, name, {"objective": name}, 1)
            accepted.append(name)
            assert studies.get(database.engine, name).name == name
            (tmp_path / name).mkdir()

        keep()
        assert studies.list_names(database.engine) == accepted
        assert len(accepted) >= 30
