"""Claiming trials: which trial a worker trains next, under which lease."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import TrialState
from sqlalchemy import Row

from storage.connecting.statements import Question
from storage.database import Database
from storage.errors import NoSlot
from storage.leasing import leases
from storage.leasing.fencing import LeaseFence
from storage.leasing.leases import Lease
from storage.leasing.starting import claim_trial
from storage.optuna_adapter import attach_trial, get_study_id


@dataclass(frozen=True, kw_only=True)
class ClaimedTrial:
    """A RUNNING trial, and the lease under which this worker trains it."""

    trial: optuna.Trial
    lease: Lease
    news: bool
    """Whether this worker has learned what has changed in the study at the moment of the claim."""


class TrialClaimer:
    """Claims trials of one study for one worker, one at a time. Its calls may be repeated after an outage."""

    def __init__(
        self, database: Database, study: optuna.Study, fence: LeaseFence, *, worker: str, lease_seconds: float
    ) -> None:
        self._engine = database.engine
        self._history = database.history
        self._study = study
        self._fence = fence
        self._worker = worker
        self._lease_seconds = lease_seconds

    def claim(self) -> ClaimedTrial | None:
        """Claim a trial: one that was interrupted, else a new one if the budget has a slot left.

        Returns:
            The trial; None if every slot is claimed, or if the study was stopped.
        """
        return self._find_held() or self._claim_next()

    def release(self) -> None:
        """Release the trial that is held, if any, so that another worker can take it over at once."""
        lease = self._fence.lease
        if lease is not None:
            leases.release(self._engine, lease)
            self._fence.lease = None

    def _find_held(self) -> ClaimedTrial | None:
        """Return the trial that is held already: the storage became unreachable just after it was claimed."""
        lease = self._fence.lease
        if lease is None:
            return None
        return ClaimedTrial(trial=attach_trial(self._study, lease.trial_id), lease=lease, news=False)

    def _claim_next(self) -> ClaimedTrial | None:
        """Take over a trial that another worker began, which keeps its parameters and its seed; else start one."""
        claimed: list[Lease | None] = []

        def ask(question: Question) -> Row[Any]:
            lease, answer = claim_trial(self._engine, study_id, self._worker, self._lease_seconds, question)
            claimed.append(lease)
            return answer

        study_id = get_study_id(self._study)
        with self._history.holding(study_id, ask) as history:
            [lease] = claimed
            if lease is not None:
                self._fence.lease = lease
                with self._history.knowing(history.find(lease.trial_id)):
                    trial = attach_trial(self._study, lease.trial_id)
                return ClaimedTrial(trial=trial, lease=lease, news=True)
            enqueued = history.list_trials((TrialState.WAITING,))
        return self._start_enqueued() if enqueued else None

    def _start_enqueued(self) -> ClaimedTrial | None:
        """Start an enqueued trial: RUNNING, its slot of the budget and its lease are one commit."""
        try:
            with self._fence.claiming():
                trial = self._study.ask()
        except NoSlot:
            return None
        assert self._fence.lease is not None
        return ClaimedTrial(trial=trial, lease=self._fence.lease, news=False)
