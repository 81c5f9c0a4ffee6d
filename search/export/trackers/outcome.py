"""How a run of a study came to its end."""

from __future__ import annotations

from typing import Literal

from search.errors import Interrupted
from search.study.status import StudyView
from search.study.status_types import Status

Outcome = Literal["finished", "timed out", "stopped", "failed", "interrupted", "ended"]
"""`finished`: the budget is spent. `timed out`: --timeout or a budget of time was over. `stopped`: by `search stop`, or
moved to another storage. `failed`: by an error. `interrupted`: by a signal. `ended`: this machine had no trial left to
train, but others train the last ones."""


def classify_error(error: BaseException | None) -> Outcome | None:
    """Return how a run ended that raised `error`; None if it raised nothing, and the study's record says how."""
    if error is None:
        return None
    return "interrupted" if isinstance(error, Interrupted | KeyboardInterrupt) else "failed"


def read_outcome(view: StudyView) -> tuple[Outcome, Status]:
    """Read how a run ended that raised nothing, and the study's state now."""
    status = view.status()
    if status.control == "failed":
        return "failed", status
    if status.budget.left == 0:
        return "finished", status
    if status.control != "run":
        return "stopped", status
    return ("timed out" if view.record.overdue else "ended"), status
