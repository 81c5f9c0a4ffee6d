"""The scores that a storage has of studies."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from sqlalchemy import Engine

from search.evaluation.results.score import Score
from storage.records import results


def read_score(engine: Engine, study_uuid: str, dataset: str, voided: Mapping[int, str]) -> Score | None:
    """Return the newest score of a study's test set; None if it has not been scored.

    voided: why trials of the study were voided, by their numbers.
    """
    score = read_scores(engine, [(study_uuid, dataset)]).get((study_uuid, dataset))
    return None if score is None else note_void(score, voided)


def read_scores(engine: Engine, asked: Collection[tuple[str, str]]) -> dict[tuple[str, str], Score]:
    """Return the newest scores of studies, by UUID and data set; those without a score are left out."""
    return {key: Score.from_json(stored) for key, stored in results.find_results(engine, asked).items()}


def note_void(score: Score, voided: Mapping[int, str]) -> Score:
    """Return the score with the reason why its trial was voided since, if it was."""
    return replace(score, void_reason=voided.get(score.trial))
