"""`final`: retrain the winner and score it once on the held-out test set."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from search.connection import open_storage
from search.display.final_report import show_effects, show_score
from search.display.output import Decoding, note
from search.errors import UsageError
from search.evaluation.final import measure_study, score_study
from search.evaluation.request import FinalTask, parse_request
from search.settings import Settings
from search.study.status import StudyView


def run_final(
    study: str,
    objective: str | None,
    settings: Settings,
    out: Path,
    *,
    variants: Sequence[str] = (),
    measure: bool = False,
    confirm: int | None = None,
    confirm_seeds: int | None = None,
    reopen: str | None = None,
    as_json: bool = False,
) -> None:
    """Print the study's score, which is made if there is none yet; or only what variants do.

    Raises:
        NothingToDo: no trial has completed, or the study was moved to another storage.
        UsageError: a flag breaks a rule, or there is no score yet to make again.
    """
    request = parse_request(
        out, objective=objective, variants=variants, confirm=confirm, confirm_seeds=confirm_seeds, reopen=reopen
    )
    if measure and request.race is not None:
        raise UsageError(
            "--measure looks at the best trial and scores nothing, and --confirm chooses what is scored; "
            "leave one of them out"
        )
    with open_storage(settings) as database:
        task = FinalTask(
            database=database,
            view=StudyView(database, study),
            settings=settings,
            request=request,
            tell=note,
            decoding=partial(Decoding, "decoding"),
        )
        if measure:
            show_effects(measure_study(task), as_json=as_json)
        else:
            show_score(score_study(task), out, as_json=as_json)
