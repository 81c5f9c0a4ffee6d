"""The ledger under fire: scorers that race, that are killed, whose server is killed, whose study is deleted."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from wsgiref.util import setup_testing_defaults

import optuna
import optuna_dashboard
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from storage import schema, url
from storage.database import STUDY_LOCK_KEY, Database, open_database
from storage.embedded.server import EmbeddedServer
from storage.errors import ScoreRefused, UnknownStudy
from storage.leasing.turns import Turn, hold_turn
from storage.records import ledger, results, studies
from storage.records.ledger import Claim
from tests.conftest import open_folder
from tests.storage.processes import ROOT, kill_server

pytestmark = pytest.mark.faults

UUID = "00000000-0000-0000-0000-000000000001"
RACERS = 8
PART = ledger.HeldOutPart(sha256="t", view="8x8 digits")

# Takes the turn, claims and then scores; it prints a word after the claim and waits for a line before the score.
SCORER = """
import sys
from storage.records import ledger
from storage import url
from storage.database import open_database
from storage.leasing.turns import hold_turn
from storage.records.networks import Network
address, uuid = sys.argv[1:]
with open_database(url.parse(address)) as database, hold_turn(database.engine, uuid, "digits") as turn:
    ledger.claim(turn, "s", ledger.Claim(weights_sha256="a" * 64, winner={"trial": 1}))
    print("claimed", flush=True)
    sys.stdin.readline()
    network = Network(sha256="a" * 64, description={}, weights=b"weights")
    part = ledger.HeldOutPart(sha256="t", view="8x8 digits")
    ledger.complete(turn, {"test_accuracy": 0.5}, test=part, predictions=b"p", network=network)
"""


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with open_database(url.parse(database_url)) as database:
        yield database


@contextmanager
def scorer(address: str) -> Iterator[subprocess.Popen[str]]:
    """A process that has claimed, and waits for a line before it scores."""
    with subprocess.Popen(
        [sys.executable, "-c", SCORER, address, UUID],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "claimed\n"
        yield process
        process.kill()


def own_turn(database: Database, uuid: str = UUID) -> Turn:
    """A turn that nothing renews or releases, and that several threads may use at once."""
    with hold_turn(database.engine, uuid, "digits") as turn:
        return turn


def claim(turn: Turn, weights: str = "a" * 64, *, opening: int = 1) -> None:
    wanted = Claim(weights_sha256=weights, winner={"trial": 1})
    ledger.claim(turn, "s", wanted, opening=opening, reason=None if opening == 1 else "why")


def complete(turn: Turn, accuracy: float) -> dict[str, Any]:
    return ledger.complete(turn, {"test_accuracy": accuracy}, test=PART, predictions=b"p")


def kept(database: Database) -> int:
    with database.engine.begin() as connection:
        return len(connection.execute(schema.networks.select()).all())


@pytest.mark.parametrize("opening", [1, 2])
def test_of_many_claims_at_once_one_is_made(database: Database, opening: int) -> None:
    """Even in one turn: the table itself has room for one."""
    turn = own_turn(database)
    if opening == 2:
        claim(turn)
        complete(turn, 0.9)
    together, refused = threading.Barrier(RACERS), []

    def race(weights: str) -> None:
        together.wait()
        try:
            claim(turn, weights, opening=opening)
        except ScoreRefused:
            refused.append(weights)

    offered = [f"{number:064}" for number in range(RACERS)]
    threads = [threading.Thread(target=race, args=(weights,)) for weights in offered]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    openings = ledger.list_openings(database.engine, UUID, "digits")
    assert [each.number for each in openings] == list(range(1, opening + 1))
    assert {openings[-1].claim.weights_sha256} == set(offered) - set(refused)
    assert len(refused) == RACERS - 1


def test_of_many_scores_at_once_one_is_stored(database: Database) -> None:
    turn = own_turn(database)
    claim(turn)
    together, stored = threading.Barrier(RACERS), []

    def race(accuracy: float) -> None:
        together.wait()
        stored.append(complete(turn, accuracy))

    threads = [threading.Thread(target=race, args=(number / RACERS,)) for number in range(RACERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stored) == RACERS
    assert all(one == stored[0] for one in stored)
    assert stored[0]["look"] == 1


def test_a_killed_scorer_leaves_its_claim_and_frees_the_turn(database: Database, database_url: str) -> None:
    with scorer(database_url) as process:
        process.kill()
    with hold_turn(database.engine, UUID, "digits") as turn:
        [left] = ledger.list_openings(database.engine, UUID, "digits")
        assert (left.result, left.claim.weights_sha256) == (None, "a" * 64)
        with pytest.raises(ScoreRefused):
            claim(turn, "b" * 64)
        assert complete(turn, 0.5)["look"] == 1


def test_a_scorer_that_is_killed_while_it_stores_stores_nothing(database: Database, database_url: str) -> None:
    with scorer(database_url) as process, database.engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": STUDY_LOCK_KEY})
        connection.commit()
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
        waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        while connection.scalar(waiting) == 0:
            connection.commit()
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": STUDY_LOCK_KEY})
        connection.commit()
    with hold_turn(database.engine, UUID, "digits") as turn:
        assert results.find_result(database.engine, UUID, "digits") is None
        assert kept(database) == 0
        assert complete(turn, 0.5)["look"] == 1


def test_a_server_that_is_killed_between_claim_and_score_has_the_claim() -> None:
    with open_folder() as folder:
        server = EmbeddedServer(folder)
        with (
            server as address,
            open_database(url.parse(address)) as database,
            hold_turn(database.engine, UUID, "digits") as turn,
        ):
            claim(turn)
            kill_server(server)
            with pytest.raises(DBAPIError):
                complete(turn, 0.5)
            with EmbeddedServer(folder):
                claimed = ledger.find_claim(database.engine, UUID, "digits")
                assert claimed == Claim(weights_sha256="a" * 64, winner={"trial": 1})
                assert results.find_result(database.engine, UUID, "digits") is None
                claim(turn)  # the turn outlives the server
                assert complete(turn, 0.5)["look"] == 1


def dashboard(database: Database, method: str, path: str, body: dict[str, object]) -> str:
    """Do what optuna-dashboard itself does when a browser asks it to, and return the status."""
    sent, answered = json.dumps(body).encode(), []
    environ: dict[str, Any] = {"REQUEST_METHOD": method, "PATH_INFO": path, "CONTENT_TYPE": "application/json"}
    setup_testing_defaults(environ)
    environ |= {"wsgi.input": io.BytesIO(sent), "CONTENT_LENGTH": str(len(sent))}
    for _ in optuna_dashboard.wsgi(database.optuna)(environ, lambda status, headers, _=None: answered.append(status)):
        pass
    [status] = answered
    return str(status)


def test_what_the_dashboard_deletes_or_renames_frees_no_test_set(database: Database) -> None:
    first = studies.create(database, "s", {}, 1)
    claim(turn := own_turn(database, first.uuid))
    complete(turn, 0.9)
    path = f"/api/studies/{first.study_id}"
    assert dashboard(database, "POST", f"{path}/rename", {"study_name": "renamed"}).startswith("201")
    for name in ("s", "renamed"):  # what the dashboard makes is not a study of this program
        with pytest.raises(UnknownStudy):
            studies.get(database.engine, name)
    second = studies.create(database, "s", {}, 1)
    claim(turn := own_turn(database, second.uuid))
    assert complete(turn, 0.8)["look"] == 2
    assert dashboard(database, "DELETE", f"/api/studies/{second.study_id}", {}).startswith("204")
    third = studies.create(database, "s", {}, 1)
    claim(turn := own_turn(database, third.uuid))
    assert complete(turn, 0.7)["look"] == 3
    assert len({first.uuid, second.uuid, third.uuid}) == 3
    optuna.delete_study(study_name="s", storage=database.optuna)
    with database.engine.begin() as connection:
        assert ledger.count_looks(connection, "digits") == 3
    for uuid, accuracy in ((first.uuid, 0.9), (second.uuid, 0.8), (third.uuid, 0.7)):
        assert (results.find_result(database.engine, uuid, "digits") or {})["test_accuracy"] == accuracy
