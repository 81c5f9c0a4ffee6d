"""What trackers are fed with, read from the storage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from optuna.exceptions import StorageInternalError
from optuna.trial import FrozenTrial
from sqlalchemy.exc import SQLAlchemyError

from search.export.trackers.outcome import Outcome, read_outcome
from search.export.trackers.tracker import TrackedStudy
from search.study.status import StudyView
from search.study.status_types import Status
from spaces import Scalar
from storage.database import Database
from storage.optuna_adapter import get_trial_id
from storage.records import epochs


class StorageAway(Exception):
    """The storage did not answer, for now."""


@contextmanager
def _tell_outages() -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, StorageInternalError) as error:
        raise StorageAway("the storage does not answer") from error


@dataclass(frozen=True, kw_only=True)
class Source:
    """A study in an open storage; every method raises `StorageAway` if the storage does not answer."""

    database: Database
    view: StudyView

    def read_study(self) -> TrackedStudy:
        """Read the study as it is at the start of a run."""
        with _tell_outages():
            return self._describe(self.view.status(), None)

    def read_ended(self, outcome: Outcome | None) -> TrackedStudy:
        """Read the study at the end of a run; `outcome` is how it ended, None for what the study's record says."""
        with _tell_outages():
            found, status = read_outcome(self.view)
            return self._describe(status, outcome or found)

    def read_trials(self) -> list[FrozenTrial]:
        """Read every trial, in the order of their numbers."""
        with _tell_outages():
            return self.view.trials()

    def read_epochs(self, trials: Sequence[FrozenTrial], first: Mapping[int, int]) -> list[list[dict[str, Any]]]:
        """Read the epochs of each trial from `first[number]` on; each has its `epoch` and its metrics."""
        with _tell_outages():
            rows = epochs.read_newer(self.database.engine, {get_trial_id(it): first[it.number] for it in trials})
        return [rows.get(get_trial_id(trial), []) for trial in trials]

    def _describe(self, status: Status, outcome: Outcome | None) -> TrackedStudy:
        spec = self.view.spec
        known: dict[str, Scalar | None] = {
            "study": status.study,
            "objective": status.objective,
            "dataset": spec.dataset,
            "epochs": spec.epochs,
            "seed": spec.seed,
            "policy": spec.policy,
            "overrides": " ".join(spec.overrides or ()) or None,
            "git_commit": spec.git_commit,
            **{f"version_{name}": version for name, version in (spec.versions or {}).items()},
        }
        settings = {key: value for key, value in known.items() if value is not None}
        return TrackedStudy(uuid=self.view.record.uuid, status=status, settings=settings, outcome=outcome)
