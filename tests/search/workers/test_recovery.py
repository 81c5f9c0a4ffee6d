"""`search doctor --repair`: what dead workers left is cleaned up, what is in use is not touched."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import optuna
import pytest
from sqlalchemy import text

from search.errors import SearchError
from search.workers import recovery
from storage import url
from storage.database import Database, open_database
from storage.leasing import beats, leases, workers
from storage.leasing.beats import Beat
from storage.optuna_adapter import get_trial_id
from storage.records import studies
from storage.records.studies import StudyRecord
from tests.search.command import done, search

LEASE = 30.0
ELSEWHERE = "elsewhere/boot-1/17-4711/0a1b2c3d"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with open_database(url.parse(database_url)) as database:
        yield database


@pytest.fixture
def record(database: Database) -> StudyRecord:
    return studies.create(database, "s", {"objective": "made-up"}, 10)


@pytest.fixture(scope="module")
def dead() -> str:
    """The name of a worker whose process on this machine has ended."""
    ended = subprocess.run(
        [sys.executable, "-P", "-c", "from storage.leasing.workers import new_worker_id; print(new_worker_id())"],
        capture_output=True,
        text=True,
        check=True,
    )
    name = ended.stdout.strip()
    assert workers.is_dead(name)
    return name


def begin(database: Database) -> int:
    """Start a trial without a lease, as Optuna alone does, and return its id."""
    return get_trial_id(optuna.load_study(study_name="s", storage=database.optuna).ask())


def held(database: Database, record: StudyRecord, worker: str, ends_in: float = LEASE) -> int:
    """Start a trial under a worker's lease, which expires in `ends_in` seconds, and return its id."""
    trial_id = begin(database)
    with database.engine.begin() as connection:
        leases.claim(connection, record.study_id, trial_id, worker, ends_in)
    show(database, record, worker)
    return trial_id


def show(database: Database, record: StudyRecord, worker: str) -> None:
    """Let the worker be heard from."""
    beats.send(database.engine, Beat(worker=worker, study_id=record.study_id, device="cpu"), None, LEASE)


def silence(database: Database, worker: str, seconds: float) -> None:
    """Make the worker silent for this long."""
    with database.engine.begin() as connection:
        connection.execute(
            text("UPDATE depthsearch.workers SET beat_at = now() - make_interval(secs => :s) WHERE worker = :w"),
            {"s": seconds, "w": worker},
        )


def listed(database: Database) -> set[str]:
    with database.engine.begin() as connection:
        return {row.worker for row in connection.execute(text("SELECT worker FROM depthsearch.workers"))}


def test_the_trial_of_a_dead_worker_is_released(database: Database, record: StudyRecord, dead: str) -> None:
    trial_id = held(database, record, dead)
    assert leases.take_over(database.engine, record.study_id, "next", LEASE) is None
    assert recovery.repair_all(database.engine, LEASE) == [
        "study s: released trial 0 (held by dead workers); removed 1 dead worker from the list"
    ]
    taken = leases.take_over(database.engine, record.study_id, "next", LEASE)
    assert taken is not None
    assert (taken.trial_id, taken.token) == (trial_id, 2)
    assert listed(database) == set()


def test_expired_leases_are_released_and_valid_ones_are_not(database: Database, record: StudyRecord) -> None:
    expired = held(database, record, ELSEWHERE, -1.0)
    mine = held(database, record, workers.new_worker_id())
    theirs = held(database, record, "another" + ELSEWHERE)
    [line] = recovery.repair_all(database.engine, 0.1)
    assert line == "study s: released trial 0 (held by dead workers)"
    with database.engine.begin() as connection:
        free = connection.execute(text("SELECT trial_id FROM depthsearch.leases WHERE expires_at = '-infinity'"))
        assert [row.trial_id for row in free] == [expired]
    for trial_id in (mine, theirs):
        with database.engine.begin() as connection:
            leases.verify(connection, leases.Lease(trial_id, 1))
    assert recovery.repair_all(database.engine, 0.1) == []


def test_a_lease_that_expired_while_the_server_was_down_waits(database: Database, record: StudyRecord) -> None:
    trial_id = held(database, record, ELSEWHERE, -86400.0)
    patience = 86400.0  # more than this server has been up
    assert recovery.repair_all(database.engine, patience) == []
    assert leases.take_over(database.engine, record.study_id, "next", patience) is None
    beat = Beat(worker=ELSEWHERE, study_id=record.study_id, device="cpu")
    assert beats.send(database.engine, beat, leases.Lease(trial_id, 1), LEASE).held


def test_trials_of_another_program_are_named(database: Database, record: StudyRecord) -> None:
    begin(database)
    begin(database)
    [line] = recovery.repair_all(database.engine, LEASE)
    assert line == "study s: the next worker takes over trials 0, 1 (started by another program)"
    assert leases.take_over(database.engine, record.study_id, "next", LEASE) is not None


def test_silent_workers_are_removed_from_the_list(database: Database, record: StudyRecord, dead: str) -> None:
    for worker in (dead, ELSEWHERE, "another" + ELSEWHERE):
        show(database, record, worker)
    silence(database, ELSEWHERE, recovery.SILENT_LEASES * LEASE + 60)
    silence(database, "another" + ELSEWHERE, recovery.SILENT_LEASES * LEASE - 60)
    assert recovery.repair_all(database.engine, LEASE) == ["study s: removed 2 dead workers from the list"]
    assert listed(database) == {"another" + ELSEWHERE}


def test_the_check_fails_only_if_no_worker_lives(database: Database, record: StudyRecord, dead: str) -> None:
    held(database, record, dead)
    with pytest.raises(SearchError, match=r"hold trial 0 of study s; release them with `search doctor --repair`"):
        recovery.check_stale(database.engine, LEASE)
    mine = workers.new_worker_id()
    show(database, record, mine)
    assert recovery.check_stale(database.engine, LEASE) == "no trial is held by a dead worker"
    workers.leave(database.engine, mine)
    recovery.repair_all(database.engine, LEASE)
    recovery.check_stale(database.engine, LEASE)


def test_the_check_gives_a_silent_worker_a_lease_time(database: Database, record: StudyRecord) -> None:
    held(database, record, ELSEWHERE, -5.0)
    silence(database, ELSEWHERE, 600)
    recovery.check_stale(database.engine, 60.0)
    with pytest.raises(SearchError, match="trial 0 of study s"):
        recovery.check_stale(database.engine, 0.5)


def test_the_command_repairs_a_stopped_study(database: Database, record: StudyRecord, dead: str) -> None:
    held(database, record, dead)
    studies.set_control(database.engine, record.study_id, "stop")
    address = database.url.render_as_string(hide_password=False)
    found = search("doctor", "--storage", address)
    assert found.code == 1
    assert "FAIL trials: dead workers hold trial 0 of study s; release them with `search doctor --repair`" in found.out
    assert "1 of 16 checks failed: trials" in found.err
    repaired = {row["check"]: row for row in done("doctor", "--repair", "--json", "--storage", address).document}
    assert repaired["repair"]["found"].startswith("study s: released trial 0")
    assert repaired["trials"]["fine"]
    assert "ok   repair: nothing to repair" in done("doctor", "--repair", "--storage", address).out
    assert studies.get(database.engine, "s").control == "stop"
