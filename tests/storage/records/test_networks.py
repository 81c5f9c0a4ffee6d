"""Networks of finished studies: kept with the score, found by the study's name, moved with the study."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy.exc import StatementError

from storage import schema, url
from storage.copying.study import copy_study
from storage.database import Database, open_database
from storage.errors import UnknownStudy
from storage.leasing.turns import hold_turn
from storage.records import ledger, networks, results
from storage.records.networks import Network
from storage.records.studies import StudyRecord, create

NETWORK = Network(
    sha256="a" * 64,
    description={"study": "s", "model": "mlp", "configuration": {"depth": 2}, "image_shape": [1, 8, 8]},
    weights=b"\x00\xffweights",
)


@pytest.fixture
def target(empty_database_url: str) -> Iterator[Database]:
    with open_database(url.parse(empty_database_url)) as database:
        yield database


def claim(database: Database, uuid: str, sha256: str = NETWORK.sha256) -> None:
    with hold_turn(database.engine, uuid, "digits") as turn:
        ledger.claim(turn, "s", ledger.Claim(weights_sha256=sha256, winner={"trial": 0}))


def complete(database: Database, uuid: str, network: Network = NETWORK, outcome: object = 0.9) -> None:
    with hold_turn(database.engine, uuid, "digits") as turn:
        part = ledger.HeldOutPart(sha256="t", view="8x8 digits")
        ledger.complete(turn, {"accuracy": outcome}, test=part, predictions=b"p", network=network)


def kept(database: Database) -> int:
    """How many rows there are, of networks and of their parts."""
    tables = (schema.networks, schema.network_parts)
    with database.engine.begin() as connection:
        return sum(len(connection.execute(table.select()).all()) for table in tables)


def test_the_network_is_kept_with_the_score(database: Database, record: StudyRecord) -> None:
    claim(database, record.uuid)
    assert networks.find_for_study(database.engine, "s") is None
    complete(database, record.uuid)
    assert networks.find_for_study(database.engine, "s") == NETWORK
    complete(database, record.uuid)  # a second time changes nothing
    assert kept(database) == 2


@pytest.mark.parametrize("part", [1, 4, 5, len(NETWORK.weights), 100])
def test_large_weights_are_stored_in_parts(
    database: Database, record: StudyRecord, target: Database, monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    monkeypatch.setattr(networks, "PART_BYTES", part)
    claim(database, record.uuid)
    complete(database, record.uuid)
    assert networks.find_for_study(database.engine, "s") == NETWORK
    assert kept(database) == 1 + -(-len(NETWORK.weights) // part)
    monkeypatch.setattr(networks, "PART_BYTES", 3)  # another version of this program
    complete(database, record.uuid)
    copy_study(database, target, "s")
    assert networks.find_for_study(database.engine, "s") == networks.find_for_study(target.engine, "s") == NETWORK


def test_without_the_score_there_is_no_network(database: Database, record: StudyRecord) -> None:
    claim(database, record.uuid)
    with pytest.raises(StatementError, match="not JSON serializable"):
        complete(database, record.uuid, outcome=object())
    assert results.find_result(database.engine, record.uuid, "digits") is None
    assert kept(database) == 0


def test_each_study_has_its_own(database: Database, record: StudyRecord) -> None:
    other = create(database, "other", {}, 1)
    theirs = Network(sha256="b" * 64, description={"study": "other"}, weights=b"others")
    for study, network in ((record, NETWORK), (other, theirs)):
        claim(database, study.uuid, network.sha256)
        complete(database, study.uuid, network)
    assert networks.find_for_study(database.engine, "s") == NETWORK
    assert networks.find_for_study(database.engine, "other") == theirs


def test_a_claim_alone_is_no_network(database: Database, record: StudyRecord) -> None:
    """The weights may be there of another study that trained the very same; they are not this one's yet."""
    other = create(database, "other", {}, 1)
    claim(database, other.uuid)
    complete(database, other.uuid)
    claim(database, record.uuid)
    assert networks.find_for_study(database.engine, "s") is None


def test_one_that_is_too_large_is_not_kept(
    database: Database, record: StudyRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim(database, record.uuid)
    monkeypatch.setattr(networks, "LARGEST_BYTES", len(NETWORK.weights) - 1)
    complete(database, record.uuid)
    assert results.find_result(database.engine, record.uuid, "digits") is not None
    assert networks.find_for_study(database.engine, "s") is None
    monkeypatch.setattr(networks, "LARGEST_BYTES", len(NETWORK.weights))
    with database.engine.begin() as connection:
        assert networks.keep(connection, NETWORK.sha256, NETWORK.description, NETWORK.weights)
    assert networks.find_for_study(database.engine, "s") == NETWORK


def test_an_unknown_study_has_no_network(database: Database) -> None:
    create(database, "cifar-depth", {}, 1)
    with pytest.raises(UnknownStudy, match="no study 'cifar-dept'"):
        networks.find_for_study(database.engine, "cifar-dept")


def test_the_network_moves_with_the_study(database: Database, record: StudyRecord, target: Database) -> None:
    claim(database, record.uuid)
    complete(database, record.uuid)
    copy_study(database, target, "s")
    assert networks.find_for_study(target.engine, "s") == NETWORK


def test_a_study_without_a_score_moves_without_a_network(
    database: Database, record: StudyRecord, target: Database
) -> None:
    claim(database, record.uuid)
    copy_study(database, target, "s")
    assert networks.find_for_study(target.engine, "s") is None
    assert kept(target) == 0
