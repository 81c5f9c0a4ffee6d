"""The three roles of `search doctor --grants`: each does its work with them, and nothing else."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2.errors
import pytest
import sqlalchemy

from search.settings import load
from search.study.create import create_or_continue
from search.study.plan import StudyRequest
from storage import url
from storage.connecting.grants import OWNER, READER, WORKER
from storage.database import open_database
from tests.conftest import as_administrator, copied, execute
from tests.faults.eye import moment
from tests.search.command import done, finished, kill_group, search, start

pytestmark = pytest.mark.slow

STUDY = ("--study", "digits-depth")
TRAIN = ("--workers=1", "--device=cpu")
# What a stolen password of a worker must not be good for.
FORBIDDEN = (
    *(f"SELECT * FROM depthsearch.{table}" for table in ("scores", "turns", "confirmations")),
    *(f"DELETE FROM {table}" for table in ("studies", "trials", "trial_values")),
    *(f"DELETE FROM depthsearch.{table}" for table in ("studies", "epochs", "confusions")),
    *(f"TRUNCATE {table}" for table in ("trials", "depthsearch.leases", "depthsearch.scores")),
    *(f"DROP TABLE {table}" for table in ("trial_params", "depthsearch.checkpoints", "depthsearch.version")),
    *(f"UPDATE trial_{table}" for table in ("values SET value = 1", "intermediate_values SET intermediate_value = 1")),
    "UPDATE trial_params SET param_value = 1",
    "UPDATE trials SET study_id = 1",
    "UPDATE studies SET study_name = 'other'",
    *(f"UPDATE depthsearch.studies SET {column} = {column}" for column in ("spec", "uuid", "name", "trials", "voids")),
    "UPDATE depthsearch.epochs SET metrics = '{}'",
    "UPDATE depthsearch.confusions SET counts = '[]'",
    "BEGIN; LOCK TABLE trials",
    "INSERT INTO studies (study_name) VALUES ('new')",
    "UPDATE depthsearch.scores SET result = NULL",
    "UPDATE depthsearch.version SET version = 1",
    "INSERT INTO depthsearch.networks VALUES ('a', '{}')",
    "ALTER TABLE trials ADD COLUMN more integer",
    "CREATE TABLE mine (number integer)",
    "CREATE SCHEMA mine",
    "CREATE ROLE mine",
    "DROP SCHEMA depthsearch CASCADE",
    "GRANT SELECT ON depthsearch.scores TO search_worker",
    "SET ROLE search_owner",
    "COPY trials TO PROGRAM 'cat'",
    "SELECT pg_read_file('/etc/passwd')",
)


@pytest.fixture(scope="module")
def places(server: str, template: str) -> Iterator[dict[str, str]]:
    """The URL of a database with a study for each of the three roles."""
    with copied(server, template) as address:
        execute(as_administrator(address), done("doctor", "--grants").out)
        location = sqlalchemy.make_url(address)
        found = {}
        for role in (OWNER, WORKER, READER):
            execute(as_administrator(address), f"ALTER ROLE {role} PASSWORD 'secret'")
            own = location.set(username=role, password="secret", query={})
            found[role] = own.render_as_string(hide_password=False)
        with open_database(url.parse(found[OWNER])) as database:
            create_or_continue(database, StudyRequest(study="digits-depth", trials=3, epochs=2), load())
        yield found
    for role in (OWNER, WORKER, READER):
        execute(as_administrator(server), f"DROP OWNED BY {role}; DROP ROLE {role}")


def count_connections(address: str) -> int:
    time.sleep(0.02)
    [(count,)] = execute(address, f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{WORKER}'")
    assert isinstance(count, int)
    return count


def test_each_role_does_its_work(places: dict[str, str], tmp_path: Path) -> None:
    process = start("worker", *STUDY, *TRAIN, env={"SEARCH_STORAGE": places[WORKER]})
    counted = []
    while process.poll() is None:
        counted.append(count_connections(places[READER]))
    assert process.returncode == 0, process.communicate()
    process.communicate()
    assert 1 < max(counted) <= 3  # the command's one and the worker's two
    seen = done("status", *STUDY, "--json", env={"SEARCH_STORAGE": places[READER]}).document
    assert finished(seen) == 3
    assert execute(places[READER], "SELECT count(*) FROM depthsearch.confusions") == [(3,)]
    refused = search("final", *STUDY, "--device=cpu", env={"SEARCH_STORAGE": places[WORKER]})
    assert (refused.code, "may not SELECT depthsearch.scores" in refused.err) == (1, True), refused.err
    score = done("final", *STUDY, "--json", "--out", tmp_path / "out", env={"SEARCH_STORAGE": places[OWNER]}).document
    shown = {
        role: done("status", *STUDY, "--json", env={"SEARCH_STORAGE": place}).document["final"]
        for role, place in places.items()
    }
    assert shown[OWNER]["test_accuracy"] == shown[READER]["test_accuracy"] == score["test_accuracy"]
    assert shown[WORKER] is None


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_a_worker_may_not(statement: str, places: dict[str, str]) -> None:
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        execute(places[WORKER], statement)


def test_a_worker_locks_a_study_and_cannot_change_its_key(places: dict[str, str]) -> None:
    with pytest.raises(psycopg2.errors.ForeignKeyViolation):
        execute(places[WORKER], "UPDATE studies SET study_id = study_id + 1000")


@pytest.mark.parametrize("table", ["trials", "depthsearch.workers", "depthsearch.leases"])
def test_a_reader_changes_nothing(table: str, places: dict[str, str]) -> None:
    for statement in (f"DELETE FROM {table}", f"SELECT * FROM {table} FOR UPDATE"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            execute(places[READER], statement)


@pytest.mark.long
def test_a_worker_takes_over_from_one_that_was_killed(places: dict[str, str]) -> None:
    with open_database(url.parse(places[OWNER])) as database:
        request = StudyRequest(study="killed", objective="digits-depth", trials=2, epochs=30)
        create_or_continue(database, request, load())
    process = start("worker", "--study", "killed", *TRAIN, env={"SEARCH_STORAGE": places[WORKER]})
    counted = (
        "SELECT count(*) > 2 FROM depthsearch.epochs JOIN trials USING (trial_id) JOIN studies USING (study_id) "
        "WHERE study_name = 'killed'"
    )
    assert moment(process, lambda: execute(places[OWNER], counted) == [(True,)])
    kill_group(process, signal.SIGKILL)
    process.communicate()
    done("worker", "--study", "killed", *TRAIN, env={"SEARCH_STORAGE": places[WORKER]})
    assert finished(done("status", "--study", "killed", "--json", env={"SEARCH_STORAGE": places[READER]}).document) == 2


@pytest.mark.long
def test_a_worker_stops_a_study_whose_objective_is_broken(places: dict[str, str], tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text(
        "from objectives import Objective\nfrom spaces import Float, Space\n\n\n"
        "def train(config, data, report):\n    raise ValueError('broken')\n\n\n"
        "OBJECTIVE = Objective(data='digits', train=train, epochs=2, trials=5, space=Space(rate=Float(0.1, 1.0)))\n"
    )
    with open_database(url.parse(places[OWNER])) as database:
        create_or_continue(database, StudyRequest(study="broken", objective=str(broken)), load())
    ended = search("worker", "--study", "broken", "--objective", broken, *TRAIN, env={"SEARCH_STORAGE": places[WORKER]})
    assert ended.code == 1
    status = done("status", "--study", "broken", "--json", env={"SEARCH_STORAGE": places[READER]}).document
    assert status["states"]["fail"] == 3
