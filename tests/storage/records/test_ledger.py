"""The ledger: one score for each opening of a data set by a study, claimed before it is known."""

from __future__ import annotations

import pytest

from storage.database import Database
from storage.errors import ScoreRefused
from storage.leasing.turns import hold_turn
from storage.records import ledger, results, studies
from storage.records.studies import StudyRecord

WEIGHTS, OTHER = "a" * 64, "b" * 64
REASON = "the labels of class 3 were wrong"


PART = ledger.HeldOutPart(sha256="t", view="8x8 digits")


def complete(database: Database, uuid: str, accuracy: float, dataset: str = "digits") -> dict[str, object]:
    with hold_turn(database.engine, uuid, dataset) as turn:
        return ledger.complete(turn, {"test_accuracy": accuracy}, test=PART, predictions=b"\x00")


def claim(database: Database, uuid: str, weights: str = WEIGHTS, dataset: str = "digits") -> None:
    with hold_turn(database.engine, uuid, dataset) as turn:
        ledger.claim(turn, "s", ledger.Claim(weights_sha256=weights, winner={"trial": 4}))


def reclaim(database: Database, uuid: str, opening: int, weights: str = OTHER, reason: str = REASON) -> None:
    with hold_turn(database.engine, uuid, "digits") as turn:
        wanted = ledger.Claim(weights_sha256=weights, winner={"trial": 5})
        ledger.claim(turn, "s", wanted, opening=opening, reason=reason)


def summaries(database: Database, uuid: str) -> list[dict[str, object]]:
    """The openings as `result` tells them, without the moments."""
    found = results.find_result(database.engine, uuid, "digits")
    assert found is not None
    moments = ("claimed_at", "scored_at")
    return [{name: opening[name] for name in opening if name not in moments} for opening in found["openings"]]


def test_a_claim_binds_the_weights(database: Database, record: StudyRecord) -> None:
    engine = database.engine
    assert ledger.find_claim(engine, record.uuid, "digits") is None
    claim(database, record.uuid)
    claim(database, record.uuid)  # after a crash: the same weights may continue
    with pytest.raises(ScoreRefused, match="claimed for weights aaaaaaaaaaaa"):
        claim(database, record.uuid, OTHER)
    assert ledger.find_claim(engine, record.uuid, "digits") == ledger.Claim(weights_sha256=WEIGHTS, winner={"trial": 4})
    assert results.find_result(engine, record.uuid, "digits") is None


def test_a_score_is_stored_once(database: Database, record: StudyRecord) -> None:
    claim(database, record.uuid)
    first = complete(database, record.uuid, 0.9)
    assert first["look"] == 1
    assert complete(database, record.uuid, 0.1) == first
    [row] = ledger.read_rows(database.engine, record.uuid)
    assert (row["test_sha256"], bytes(row["predictions"])) == ("t", b"\x00")
    opening = {
        "opening": 1,
        "reason": None,
        "look": 1,
        "test_accuracy": 0.9,
        "scored_at": first["scored_at"],
        "claimed_at": row["claimed_at"].isoformat(timespec="seconds"),
    }
    found = results.find_result(database.engine, record.uuid, "digits")
    assert found == {**first, "openings": [opening], "looks": 1}


def test_a_test_set_that_is_opened_again_keeps_every_score(database: Database, record: StudyRecord) -> None:
    claim(database, record.uuid)
    first = complete(database, record.uuid, 0.9)
    reclaim(database, record.uuid, 2)
    unscored = {"opening": 2, "reason": REASON, "look": None, "test_accuracy": None}
    scored = {"opening": 1, "reason": None, "look": 1, "test_accuracy": 0.9}
    assert summaries(database, record.uuid) == [scored, unscored]
    assert (results.find_result(database.engine, record.uuid, "digits") or {})["test_accuracy"] == 0.9
    with pytest.raises(ScoreRefused, match="claimed for weights bbbbbbbbbbbb"):
        reclaim(database, record.uuid, 2, WEIGHTS)
    claimed = ledger.find_claim(database.engine, record.uuid, "digits")
    assert claimed == ledger.Claim(weights_sha256=OTHER, winner={"trial": 5})
    second = complete(database, record.uuid, 0.8)
    assert (second["look"], complete(database, record.uuid, 0.7)) == (2, second)
    assert summaries(database, record.uuid) == [scored, {**unscored, "look": 2, "test_accuracy": 0.8}]
    one, other = ledger.list_openings(database.engine, record.uuid, "digits")
    assert (one.result, other.result) == (first, second)
    assert (results.find_result(database.engine, record.uuid, "digits") or {})["look"] == 2


def test_a_claim_that_was_never_scored_is_no_look(database: Database, record: StudyRecord) -> None:
    claim(database, record.uuid)
    reclaim(database, record.uuid, 2, reason="the weights are lost")
    assert complete(database, record.uuid, 0.8)["look"] == 1
    shown = summaries(database, record.uuid)
    assert [(opening["look"], opening["test_accuracy"]) for opening in shown] == [(None, None), (1, 0.8)]


def test_looks_at_a_test_set_are_counted_over_studies(database: Database) -> None:
    uuids = [f"00000000-0000-0000-0000-00000000000{n}" for n in range(3)]
    for n, uuid in enumerate(uuids, start=1):
        claim(database, uuid)
        assert complete(database, uuid, 0.5)["look"] == n
    claim(database, uuids[0], dataset="mnist")
    assert complete(database, uuids[0], 0.5, "mnist")["look"] == 1


def test_scores_outlive_the_study(database: Database, record: StudyRecord) -> None:
    import optuna

    claim(database, record.uuid)
    complete(database, record.uuid, 0.9)
    optuna.delete_study(study_name="s", storage=database.optuna)
    again = studies.create(database, "s", {}, 3)
    assert results.find_result(database.engine, again.uuid, "digits") is None
    claim(database, again.uuid)
    assert complete(database, again.uuid, 0.9)["look"] == 2  # the name does not matter, the study does
    assert len(summaries(database, record.uuid)) == len(summaries(database, again.uuid)) == 1
    assert (results.find_result(database.engine, record.uuid, "digits") or {})["looks"] == 2
