"""The scores that a storage has of studies."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Engine

from search.evaluation.results.score import Score
from storage.records import results


def read_score(engine: Engine, study_uuid: str, dataset: str) -> Score | None:
    """Return the newest score of a study's test set; None if it has not been scored."""
    return read_scores(engine, [(study_uuid, dataset)]).get((study_uuid, dataset))


def read_scores(engine: Engine, asked: Collection[tuple[str, str]]) -> dict[tuple[str, str], Score]:
    """Return what `read_score` does for each study, by its UUID, and data set; those without a score are left out."""
    return {key: Score.from_json(stored) for key, stored in results.find_results(engine, asked).items()}
