"""The ledger: which study has scored which test set, with which weights, once.

A row is claimed before the test files are opened and completed by the score. Rows outlive their studies.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from storage import networks
from storage.database import LOCK
from storage.errors import ScoreRefused
from storage.networks import Network
from storage.schema import scores


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A test set claimed for one network: the hash of its weights, and which trial it came from."""

    weights_sha256: str
    winner: Mapping[str, Any]


@contextmanager
def turn(engine: Engine, study_uuid: str, dataset: str) -> Iterator[Connection]:
    """Wait for, then hold, the right to be the only one that scores this test set for this study.

    The right lives and dies with the connection that is given: what is claimed and completed through it is done
    by whoever has the turn, or fails.
    """
    key = {"key": f"{study_uuid}/{dataset}", "seed": LOCK}
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(hashtextextended(:key, :seed))"), key)
        connection.commit()
        try:
            yield connection
        finally:
            with contextlib.suppress(DBAPIError):  # a lost connection has let go of it already
                connection.rollback()
                connection.execute(text("SELECT pg_advisory_unlock(hashtextextended(:key, :seed))"), key)
                connection.commit()


def result(engine: Engine, study_uuid: str, dataset: str) -> dict[str, Any] | None:
    """The stored result, or None where this test set has not been scored for this study."""
    with engine.begin() as connection:
        row = connection.execute(_row(study_uuid, dataset)).first()
    return dict(row.result) if row is not None and row.result is not None else None


def open_claim(engine: Engine, study_uuid: str, dataset: str) -> Claim | None:
    """What the test set is claimed for, scored or not; None where nothing is claimed."""
    with engine.begin() as connection:
        row = connection.execute(_row(study_uuid, dataset)).first()
    return None if row is None else Claim(weights_sha256=row.weights_sha256, winner=row.winner)


def claim(connection: Connection, study_uuid: str, study_name: str, dataset: str, wanted: Claim) -> None:
    """Claim the one score; a claim without a score may be taken up again with the same weights.

    Raises:
        ScoreRefused: claimed for other weights.
    """
    with connection.begin():
        connection.execute(
            insert(scores)
            .values(
                study_uuid=study_uuid,
                study_name=study_name,
                dataset=dataset,
                weights_sha256=wanted.weights_sha256,
                winner=dict(wanted.winner),
            )
            .on_conflict_do_nothing()
        )
        held = connection.execute(_row(study_uuid, dataset)).one()
    if held.weights_sha256 != wanted.weights_sha256:
        raise refused(dataset, held.weights_sha256, wanted.weights_sha256)


def refused(dataset: str, claimed: str, offered: str) -> ScoreRefused:
    """The error of weights that the test set is not claimed for."""
    return ScoreRefused(
        f"the test set of {dataset!r} was claimed for weights {claimed[:12]}, and these are {offered[:12]}; "
        "give --out the folder whose model.safetensors has the claimed ones"
    )


def complete(
    connection: Connection,
    study_uuid: str,
    dataset: str,
    outcome: Mapping[str, Any],
    *,
    test_sha256: str,
    predictions: bytes,
    network: Network | None = None,
) -> dict[str, Any]:
    """Store the score of a claim, with the number of this look at the test set; returns what is stored.

    `outcome` gains `look` and `scored_at`. A claim that is scored already stays as it is. The network that was
    scored is kept for reuse in the same transaction.
    """
    with connection.begin():
        if network is not None:  # before the lock that every command asks for: this may take seconds
            networks.keep(connection, network.sha256, network.description, network.weights)
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
        row = connection.execute(_row(study_uuid, dataset)).one()
        if row.result is not None:
            return dict(row.result)
        look = looks(connection, dataset) + 1
        moment = connection.scalar(select(func.now()))
        assert moment is not None
        stored = {**outcome, "look": look, "scored_at": moment.isoformat(timespec="seconds")}
        connection.execute(
            update(scores)
            .where(scores.c.score_id == row.score_id)
            .values(look=look, test_sha256=test_sha256, result=stored, predictions=predictions, scored_at=moment)
        )
    return stored


def looks(connection: Connection, dataset: str) -> int:
    """How often the data set's test part has been scored in this storage, by any study."""
    count = connection.scalar(
        select(func.count()).select_from(scores).where(scores.c.dataset == dataset, scores.c.look.is_not(None))
    )
    return int(count or 0)


def rows_of(engine: Engine, study_uuid: str) -> list[dict[str, Any]]:
    """Every row of a study as it is stored, for copying the study elsewhere."""
    with engine.begin() as connection:
        found = connection.execute(select(scores).where(scores.c.study_uuid == study_uuid)).mappings().all()
    return [{key: value for key, value in row.items() if key != "score_id"} for row in found]


def _row(study_uuid: str, dataset: str) -> Any:
    return select(scores).where(scores.c.study_uuid == study_uuid, scores.c.dataset == dataset)
