"""The score that a storage has of a study."""

from __future__ import annotations

from sqlalchemy import Engine

from search.evaluation.results.score import Score
from storage.records import ledger


def read_score(engine: Engine, study_uuid: str, dataset: str) -> Score | None:
    """Return the newest score of a study's test set; None if it has not been scored."""
    stored = ledger.find_result(engine, study_uuid, dataset)
    return None if stored is None else Score.from_json(stored)
