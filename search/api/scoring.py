"""The final step of a study: its score on the test set, stored or made now, and the effects of variants."""

from __future__ import annotations

from collections.abc import Callable

from objectives.data.files.decoded import Progress as Decoding
from search.api.session import Session
from search.evaluation.final import measure_study, score_study
from search.evaluation.request import FinalRequest, FinalTask
from search.evaluation.results.score import Score
from search.evaluation.results.variants import MeasuredVariants

__all__ = ["FinalRequest", "measure", "score"]


def score(
    session: Session, request: FinalRequest, tell: Callable[[str], None], decoding: Decoding | None = None
) -> Score:
    """Retrain the study's winner and score it on the test set, or return the score that is stored.

    Raises:
        NothingToDo: no trial has completed, or the study was moved to another storage.
        UsageError: the reason to score again breaks a rule, or there is no score yet to make again.
        ScoreRefused: the test set was claimed for other weights, or other variants of them.
        SearchError: a training failed.
    """
    return score_study(_task(session, request, tell, decoding))


def measure(
    session: Session, request: FinalRequest, tell: Callable[[str], None], decoding: Decoding | None = None
) -> MeasuredVariants:
    """Measure what variants do to the study's winner on validation images; retrain, claim and score nothing.

    Raises:
        NothingToDo: no trial has completed, or the study was moved to another storage.
        UsageError: the request asks for a confirmation.
        SearchError: a training failed.
    """
    return measure_study(_task(session, request, tell, decoding))


def _task(session: Session, request: FinalRequest, tell: Callable[[str], None], decoding: Decoding | None) -> FinalTask:
    return FinalTask(
        database=session.database,
        view=session.view,
        settings=session.settings,
        objective=session.objective,
        request=request,
        tell=tell,
        decoding=decoding,
    )
