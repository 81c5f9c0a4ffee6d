"""`search report` and `Study.report` on studies in a real storage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert, text

from search import Study
from storage import url
from storage.database import Database, open_database
from storage.records import studies
from storage.schema import scores
from tests.conftest import copied, use_home
from tests.search.command import done, search
from tests.search.earlier import Past, make, planned, random_trials
from tests.search.report.document.made import make_score


@pytest.fixture(autouse=True)
def home(shared_home: Path, storage: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    use_home(monkeypatch, shared_home)
    monkeypatch.setenv("SEARCH_STORAGE", storage)
    return shared_home


@pytest.fixture(scope="module")
def storage(server: str, template: str, shared_home: Path) -> Iterator[str]:
    """A storage with the studies `one`, which is scored, and `two`."""
    with copied(server, template) as address, pytest.MonkeyPatch.context() as patch:
        use_home(patch, shared_home)
        with open_database(url.parse(address)) as database:
            for seed, name in enumerate(("one", "two")):
                plan = planned(name, seed=seed)
                trials = random_trials(plan.found.objective.space, 12, seed)
                make(database, plan, name, [*trials, Past(parameters={}, curve=())], budget=13)
            with database.engine.begin() as connection:
                connection.execute(text("UPDATE trials SET datetime_complete = now() + trial_id * interval '1 s'"))
            score(database)
        yield address


def score(database: Database) -> None:
    """Store a score, as the final step does."""
    document = make_score(study="one").to_json()
    row = {"weights_sha256": "d" * 64, "winner": {"trial": 0}, "look": 1, "test_sha256": "e" * 64, "result": document}
    record = studies.get(database.engine, "one")
    with database.engine.begin() as connection:
        connection.execute(
            insert(scores).values(study_uuid=record.uuid, study_name="one", dataset=record.spec["dataset"], **row)
        )


def test_a_report_is_a_page_a_text_or_a_document(tmp_path: Path) -> None:
    assert done("report", "--study", "one", cwd=tmp_path).out == "the report is in results/one/report.html\n"
    page = (tmp_path / "results" / "one" / "report.html").read_text()
    assert "<dd>0.8750</dd>" in page
    document = done("report", "--study", "one", "--json").document
    assert document["states"]["complete"] == 5
    assert document["answer"]["test"]["test_accuracy"] == 0.875
    assert document["answer"]["estimate"]["method"] is None  # these accuracies are random numbers, no shares
    with Study.open("one") as study:
        path = study.report(tmp_path, format="json")
        best = study.best
    assert best is not None
    stored = json.loads(path.read_text())
    assert {name: stored[name] for name in document} == document
    assert stored["answer"]["best"][0]["value"] == best.value


def test_studies_are_compared_side_by_side(tmp_path: Path) -> None:
    ended = done("report", "--compare", "one,two", "--format", "md", "-o", tmp_path)
    assert ended.out == f"the report is in {tmp_path / 'comparison.md'}\n"
    assert "| two |" in (tmp_path / "comparison.md").read_text()
    assert len(done("report", "--compare", "one,two", "--json").document["studies"]) == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "give one"),
        (["--study", "one", "--compare", "one,two"], "give one"),
        (["--compare", "one"], "two or more different studies"),
        (["--compare", "one,one"], "two or more different studies"),
        (["--study", "one", "--format", "pdf"], "unknown format 'pdf'"),
        (["--study", "onee"], "did you mean one"),
    ],
)
def test_a_wrong_request_is_one_sentence(arguments: list[str], says: str) -> None:
    refused = search("report", *arguments)
    assert (refused.code, says in refused.err, len(refused.lines)) == (2, True, 1), refused.err


def test_a_file_of_ones_own_stays(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("mine")
    refused = search("report", "--study", "one", "-o", tmp_path)
    assert (refused.code, "is not a report" in refused.err) == (2, True)
    assert (tmp_path / "report.html").read_text() == "mine"
