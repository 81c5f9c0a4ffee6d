"""The ledger: which study has scored which test set, with which weights, once.

A row is claimed before the test files are opened and completed by the score. Rows outlive their studies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from storage.database import LOCK
from storage.errors import ScoreRefused
from storage.schema import scores


@contextmanager
def turn(engine: Engine, study_uuid: str, dataset: str) -> Iterator[None]:
    """Wait for, then hold, the right to be the only one that scores this test set for this study."""
    key = f"{study_uuid}/{dataset}"
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(hashtextextended(:key, :seed))"), _key(key))
        connection.commit()
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(hashtextextended(:key, :seed))"), _key(key))
            connection.commit()


def result(engine: Engine, study_uuid: str, dataset: str) -> dict[str, Any] | None:
    """The stored result, or None where this test set has not been scored for this study."""
    with engine.begin() as connection:
        row = connection.execute(_row(study_uuid, dataset)).first()
    return dict(row.result) if row is not None and row.result is not None else None


def claimed_weights(engine: Engine, study_uuid: str, dataset: str) -> str | None:
    """The weights' hash of a claim, scored or not; None where nothing is claimed."""
    with engine.begin() as connection:
        row = connection.execute(_row(study_uuid, dataset)).first()
    return None if row is None else str(row.weights_sha256)


def claim(engine: Engine, study_uuid: str, study_name: str, dataset: str, weights_sha256: str) -> None:
    """Claim the one score; a claim without a score may be taken up again with the same weights.

    Raises:
        ScoreRefused: claimed for other weights.
    """
    with engine.begin() as connection:
        connection.execute(
            insert(scores)
            .values(study_uuid=study_uuid, study_name=study_name, dataset=dataset, weights_sha256=weights_sha256)
            .on_conflict_do_nothing()
        )
        held = connection.execute(_row(study_uuid, dataset)).one()
    if held.weights_sha256 != weights_sha256:
        raise ScoreRefused(
            f"the test set of {dataset!r} was claimed for weights {held.weights_sha256[:12]}, and these are "
            f"{weights_sha256[:12]}; put the claimed model.safetensors back into the results folder"
        )


def complete(
    engine: Engine,
    study_uuid: str,
    dataset: str,
    outcome: Mapping[str, Any],
    *,
    test_sha256: str,
    predictions: bytes,
) -> dict[str, Any]:
    """Store the score of a claim, with the number of this look at the test set; returns what is stored.

    `outcome` gains `look` and `scored_at`. A claim that is scored already stays as it is.
    """
    with engine.begin() as connection:
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


def _key(key: str) -> dict[str, Any]:
    return {"key": key, "seed": LOCK}
