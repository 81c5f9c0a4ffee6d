"""Claiming trials: which trial a worker trains next, under which lease."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import TrialState
from sqlalchemy import Row

from search.strategies.repeated.configurations import list_missing
from storage.connecting.statements import Question
from storage.database import Database
from storage.errors import NoSlot
from storage.leasing import leases
from storage.leasing import repeats as repeats_
from storage.leasing.fencing import LeaseFence
from storage.leasing.leases import Lease
from storage.leasing.repeats import NOT_SHARED, SharedSlots
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
        self,
        database: Database,
        study: optuna.Study,
        fence: LeaseFence,
        *,
        worker: str,
        lease_seconds: float,
        shared: SharedSlots = NOT_SHARED,
    ) -> None:
        self._engine = database.engine
        self._history = database.history
        self._study = study
        self._fence = fence
        self._worker = worker
        self._lease_seconds = lease_seconds
        self._shared = shared

    def claim(self) -> ClaimedTrial | None:
        """Claim a trial: one that was interrupted, else a missing repeat, else a new one if the budget has a slot left.

        Returns:
            The trial; None if every slot is claimed, or if the study was stopped.
        """
        if self._shared.are_shared:
            return self._find_held() or self._take_over_interrupted() or self._start_repeat() or self._start_new()
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
        return None if lease is None else self._hold(lease)

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
        return self._start_new() if enqueued else None

    def _take_over_interrupted(self) -> ClaimedTrial | None:
        """Take over a trial that another worker began: it keeps its number, its parameters and its seed."""
        study_id = get_study_id(self._study)
        lease = leases.take_over(self._engine, study_id, self._worker, self._lease_seconds)
        return None if lease is None else self._hold(lease)

    def _start_repeat(self) -> ClaimedTrial | None:
        """Start the first missing repeat of a configuration; those of one that was stopped are stored as PRUNED."""
        study_id, repeats = get_study_id(self._study), self._shared.repeats
        trials = self._study.get_trials(deepcopy=False)
        for missing in list_missing(trials, repeats, keeps_failed=self._shared.keeps_failed):
            lease = repeats_.start_repeat(
                self._engine, study_id, missing, repeats, worker=self._worker, seconds=self._lease_seconds
            )
            if lease is not None:
                return self._hold(lease)
            repeats_.skip_repeat(self._engine, study_id, missing, repeats)
        return None

    def _start_new(self) -> ClaimedTrial | None:
        """Start an enqueued trial, else a new one: RUNNING, its slot of the budget and its lease are one commit."""
        try:
            with self._fence.claiming():
                trial = self._study.ask()
        except NoSlot:
            return None
        assert self._fence.lease is not None
        return ClaimedTrial(trial=trial, lease=self._fence.lease, news=False)

    def _hold(self, lease: Lease) -> ClaimedTrial:
        self._fence.lease = lease
        return ClaimedTrial(trial=attach_trial(self._study, lease.trial_id), lease=lease, news=False)
