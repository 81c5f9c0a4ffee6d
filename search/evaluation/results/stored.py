"""The score that a storage has of a study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import Engine

from search.evaluation.results.score import Score
from storage.records import ledger


def read_score(engine: Engine, study_uuid: str, dataset: str, voided: Mapping[int, str]) -> Score | None:
    """Return the newest score of a study's test set; None if it has not been scored.

    voided: why trials of the study were voided, by their numbers.
    """
    stored = ledger.find_result(engine, study_uuid, dataset)
    if stored is None:
        return None
    score = Score.from_json(stored)
    return replace(score, void_reason=voided.get(score.trial))
