"""A storage that only reads, because of its role or because it is a standby: what reads works, what writes says why."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy

from search.settings import load
from search.study.create import create_or_continue
from search.study.plan import StudyRequest
from storage import url
from storage.database import open_database
from tests.conftest import copied, execute, open_folder
from tests.search import system_postgres
from tests.search.command import done, search, until
from tests.search.serving import serving
from tests.search.test_dashboard_role import READING as PAGES

pytestmark = pytest.mark.slow

STUDY = "digits-depth"
OF_ROLE = (
    "the storage is read-only: the role 'reader' may only read (its default_transaction_read_only is on); name a role"
)
OF_STANDBY = "the storage is read-only: the server is a standby, which only repeats what its primary writes; name the"
WRITING = [
    ("worker", "--study", STUDY, "--workers=1", "--device=cpu"),
    ("run", "--study", STUDY, "--workers=1", "--device=cpu"),
    ("stop", "--study", STUDY),
    ("final", "--study", STUDY, "--device=cpu"),
    *(
        pytest.param(further, marks=pytest.mark.long)
        for further in (
            ("run", "--study", "new", "--objective", STUDY, "--workers=1", "--device=cpu"),
            ("resume", "--study", STUDY, "--workers=1", "--device=cpu"),
            ("study", "rename", "--study", STUDY, "--to", "other"),
            ("study", "delete", "--study", STUDY, "--yes"),
            ("dashboard", "--port=0", "--writable"),
            ("submit", "--study", STUDY),
            ("pause", "--study", STUDY),
            ("try", "--study", STUDY, "--set", "optimizer=adamw"),
            ("cancel", "--study", STUDY, "--trial", "0"),
            ("void", "--study", STUDY, "--trial", "0", "--reason", "no reason"),
            ("drain", "--worker", "anybody"),
            ("worker", "--workers=1", "--device=cpu"),
            ("storage", "prune", "--older-than", "1"),
        )
    ),
]
READING = (("list", "--json"), ("status", "--study", STUDY, "--json"))


@dataclass(frozen=True, kw_only=True)
class Pair:
    """The URLs of a server and of a hot standby, which repeats what the server writes as it comes."""

    primary: str
    standby: str

    def catch_up(self) -> None:
        """Wait until the standby has repeated what is written by now."""
        [(end,)] = execute(self.primary, "SELECT pg_current_wal_lsn()")
        behind = f"SELECT pg_last_wal_replay_lsn() < '{end}'"
        until(lambda: execute(self.standby, behind) == [(False,)], "the standby to repeat everything", seconds=20)


def make_study(address: str) -> None:
    with open_database(url.parse(address)) as database:
        create_or_continue(database, StudyRequest(study=STUDY, trials=2, epochs=1), load())


@pytest.fixture(scope="module")
def owner(server: str, template: str) -> Iterator[str]:
    """A database of the embedded server, with a study."""
    with copied(server, template) as address:
        make_study(address)
        yield address


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """A server with a study that has a trained trial and one left to train, and its standby."""
    with open_folder() as folder, pytest.MonkeyPatch.context() as patch:
        programs = system_postgres.bundled(folder)
        with system_postgres.running(programs, folder) as primary:
            patch.setenv("PGPASSFILE", str(primary.password_file))
            with system_postgres.standby(programs, primary) as address:
                small = ("--epochs=1", "--set=width=8", "--set=depth=1", "--experience=none")
                one = ("--trials=1", "--workers=1", "--device=cpu")
                done("run", "--study", STUDY, *small, *one, env={"SEARCH_STORAGE": primary.url})
                done("submit", "--study", STUDY, "--trials=2", env={"SEARCH_STORAGE": primary.url})
                found = Pair(primary=primary.url, standby=address)
                found.catch_up()
                yield found


@pytest.fixture
def standby(pair: Pair) -> str:
    return pair.standby


def as_reader(address: str) -> str:
    return sqlalchemy.make_url(address).set(username="reader").render_as_string(hide_password=False)


def check_refused(address: str, *arguments: str, reason: str) -> None:
    begun = time.monotonic()
    ended = search(*arguments, env={"SEARCH_STORAGE": address})
    assert (ended.code, ended.out) == (1, ""), ended
    assert ended.lines[-1].startswith(f"error: {reason}")
    assert "Traceback" not in ended.err
    assert time.monotonic() - begun < 60  # and does not wait for a storage that takes writes


def test_a_role_that_only_reads_shows_everything(owner: str) -> None:
    for arguments in READING:
        shown = [done(*arguments, env={"SEARCH_STORAGE": address}).document for address in (as_reader(owner), owner)]
        assert shown[0] == shown[1]


def test_a_role_that_only_reads_is_named_by_what_writes(owner: str) -> None:
    check_refused(as_reader(owner), "worker", "--study", STUDY, "--workers=1", "--device=cpu", reason=OF_ROLE)


def test_a_standby_shows_everything(standby: str, tmp_path: Path) -> None:
    for arguments in READING:
        assert STUDY in done(*arguments, env={"SEARCH_STORAGE": standby}).out
    done("storage", "backup", "--file", tmp_path / "studies.dump", env={"SEARCH_STORAGE": standby})
    restored = search("storage", "restore", "--file", tmp_path / "studies.dump", env={"SEARCH_STORAGE": standby})
    assert OF_STANDBY in restored.err


@pytest.mark.long
def test_a_standby_draws_and_reports(standby: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEARCH_STORAGE", standby)
    [curve] = done("curves", "--study", STUDY, "--json").document["trials"]
    assert len(curve["values"]) == 1
    done("plot", "history", "--study", STUDY, "--out", tmp_path / "history.html")
    done("report", "--study", STUDY, "--out", tmp_path, "--format", "json")
    assert json.loads((tmp_path / "report.json").read_text())["study"] == STUDY
    done("export", "--format", "trials.csv", "--study", STUDY, "--out", tmp_path / "trials.csv")
    assert all((tmp_path / name).stat().st_size > 100 for name in ("history.html", "trials.csv"))


def test_the_dashboard_of_a_standby_shows_what_the_primary_writes_meanwhile(pair: Pair) -> None:
    with serving(SEARCH_STORAGE=pair.standby) as dashboard:
        assert dashboard.study_names() == [STUDY]
        answers = {path: dashboard.ask("GET", path).status for path in (*PAGES, "/healthz", "/metrics")}
        assert answers == dict.fromkeys(answers, 200)
        done("try", "--study", STUDY, "--set", "optimizer=adamw", env={"SEARCH_STORAGE": pair.primary})
        pair.catch_up()
        until(lambda: "Waiting" in str(dashboard.ask("GET", "/api/studies/1").body), "the new trial", seconds=20)
        assert dashboard.ask("PUT", "/api/studies/1/note", {"body": "mine", "version": 1}).status in (403, 405)


@pytest.mark.parametrize("arguments", WRITING, ids=lambda arguments: " ".join(arguments[:3]))
def test_a_standby_is_named_by_what_writes(arguments: tuple[str, ...], standby: str) -> None:
    check_refused(standby, *arguments, reason=OF_STANDBY)
