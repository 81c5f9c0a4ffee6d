"""The ledger: one score a study and data set, claimed before it is known."""

from __future__ import annotations

import threading

import pytest

from storage import ledger
from storage.database import Database
from storage.errors import ScoreRefused
from storage.studies import StudyRecord

WEIGHTS, OTHER = "a" * 64, "b" * 64


def complete(database: Database, uuid: str, accuracy: float) -> dict[str, object]:
    return ledger.complete(
        database.engine, uuid, "digits", {"test_accuracy": accuracy}, test_sha256="t", predictions=b"\x00"
    )


def test_a_claim_binds_the_weights(database: Database, record: StudyRecord) -> None:
    engine = database.engine
    assert ledger.claimed_weights(engine, record.uuid, "digits") is None
    ledger.claim(engine, record.uuid, "s", "digits", WEIGHTS)
    ledger.claim(engine, record.uuid, "s", "digits", WEIGHTS)  # after a crash: the same weights may go on
    with pytest.raises(ScoreRefused, match="claimed for weights aaaaaaaaaaaa"):
        ledger.claim(engine, record.uuid, "s", "digits", OTHER)
    assert ledger.claimed_weights(engine, record.uuid, "digits") == WEIGHTS
    assert ledger.result(engine, record.uuid, "digits") is None


def test_a_score_is_stored_once(database: Database, record: StudyRecord) -> None:
    ledger.claim(database.engine, record.uuid, "s", "digits", WEIGHTS)
    first = complete(database, record.uuid, 0.9)
    assert first["look"] == 1
    assert complete(database, record.uuid, 0.1) == first
    assert ledger.result(database.engine, record.uuid, "digits") == first
    [row] = ledger.rows_of(database.engine, record.uuid)
    assert (row["test_sha256"], bytes(row["predictions"])) == ("t", b"\x00")


def test_looks_at_a_test_set_are_counted_over_studies(database: Database) -> None:
    uuids = [f"00000000-0000-0000-0000-00000000000{n}" for n in range(3)]
    for n, uuid in enumerate(uuids, start=1):
        ledger.claim(database.engine, uuid, "any", "digits", WEIGHTS)
        assert complete(database, uuid, 0.5)["look"] == n
    ledger.claim(database.engine, uuids[0], "any", "mnist", WEIGHTS)
    other = ledger.complete(database.engine, uuids[0], "mnist", {}, test_sha256="t", predictions=b"")
    assert other["look"] == 1


def test_scores_outlive_the_study(database: Database, record: StudyRecord) -> None:
    import optuna

    ledger.claim(database.engine, record.uuid, "s", "digits", WEIGHTS)
    complete(database, record.uuid, 0.9)
    optuna.delete_study(study_name="s", storage=database.optuna)
    with database.engine.begin() as connection:
        assert ledger.looks(connection, "digits") == 1


def test_turns_are_taken_one_after_another(database: Database, record: StudyRecord) -> None:
    inside: list[int] = []
    most: list[int] = []

    def take() -> None:
        with ledger.turn(database.engine, record.uuid, "digits"):
            inside.append(1)
            most.append(len(inside))
            inside.pop()

    threads = [threading.Thread(target=take) for _ in range(4)]
    with ledger.turn(database.engine, record.uuid, "digits"):
        for thread in threads:
            thread.start()
        threads[0].join(0.3)
        assert most == []  # all wait while somebody has the turn
    for thread in threads:
        thread.join(10)
    assert most == [1, 1, 1, 1]
