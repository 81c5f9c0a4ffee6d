"""A storage that only reads, because of its role or because it is a standby: what reads works, what writes says why."""

from __future__ import annotations

import time
from collections.abc import Iterator
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
from tests.search.command import done, search

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
        )
    ),
]
READING = (("list", "--json"), ("status", "--study", STUDY, "--json"))


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
def standby() -> Iterator[str]:
    """A server that repeats what another one writes: a study, and nothing after it."""
    with open_folder() as folder, pytest.MonkeyPatch.context() as patch:
        programs = system_postgres.bundled(folder)
        with system_postgres.running(programs, folder) as primary:
            patch.setenv("PGPASSFILE", str(primary.password_file))
            with system_postgres.standby(programs, primary) as address:
                make_study(primary.url)
                [(end,)] = execute(primary.url, "SELECT pg_current_wal_lsn()")
                deadline = time.monotonic() + 20
                while execute(address, f"SELECT pg_last_wal_replay_lsn() < '{end}'") == [(True,)]:
                    assert time.monotonic() < deadline, "the standby is behind"
                    time.sleep(0.02)
                yield address


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


@pytest.mark.parametrize("arguments", WRITING, ids=lambda arguments: " ".join(arguments[:3]))
def test_a_standby_is_named_by_what_writes(arguments: tuple[str, ...], standby: str) -> None:
    check_refused(standby, *arguments, reason=OF_STANDBY)
