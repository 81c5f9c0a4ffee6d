"""A worker in the model's test: it claims trials and writes about them as the service's own workers do."""

from __future__ import annotations

from collections.abc import Callable

import optuna
from optuna.trial import Trial, TrialState
from sqlalchemy.orm import scoped_session, sessionmaker

from storage.database import Database
from storage.history.storage import HistoryStorage
from storage.leasing import beats
from storage.leasing.beats import Beat
from storage.leasing.fencing import LeaseFence
from storage.leasing.leases import Lease, lost_error
from storage.optuna_adapter import attach_trial, get_study_id, get_trial_id, note_report
from storage.records import epochs

SECONDS = 600.0
WRITES = ("epoch", "repeat", "note", "suggest", "COMPLETE", "PRUNED", "FAIL", "renew")


class Life:
    """One worker from its start to its death: with its own sessions, fence and name."""

    def __init__(self, database: Database, name: str, study_name: str) -> None:
        self.name = name
        self.database = database
        storage = database.optuna
        # New, as in a new process; only the connections are those of the worker before, which saves time.
        storage.scoped_session = scoped_session(sessionmaker(bind=storage.engine))
        history = HistoryStorage(storage)
        self.fence = LeaseFence(history, name, SECONDS)
        self.study = optuna.load_study(
            study_name=study_name, storage=history, sampler=optuna.samplers.RandomSampler(seed=0)
        )
        self.trial: Trial | None = None

    @property
    def lease(self) -> Lease:
        """The lease that it believes to hold."""
        assert self.fence.lease is not None
        return self.fence.lease

    def claim(self) -> Trial:
        """Start an enqueued trial, else a new one."""
        with self.fence.claiming():
            self.trial = self.study.ask()
        return self.trial

    def attach(self, lease: Lease) -> None:
        """Resume a trial that was taken over."""
        self.fence.lease = lease
        self.trial = attach_trial(self.study, lease.trial_id)

    def forget(self) -> None:
        """Forget the trial, as after a lost lease."""
        self.fence.lease = self.trial = None

    def attempt(self, kind: str, epoch: int, value: float) -> Callable[[], object]:
        """Return one of the `WRITES`, to be called."""
        trial = self.trial
        assert trial is not None
        match kind:
            case "renew":
                return self._renew
            case "epoch":
                return lambda: self._store_epoch(trial, epoch, value)
            case "repeat":
                return lambda: self._store_epoch(self._unaware(trial, epoch), epoch, value)
            case "note":
                return lambda: trial.set_user_attr(f"{self.name} {epoch}", value)
            case "suggest":
                return lambda: trial.suggest_float(f"{self.name} {epoch}", 0, 1)
            case _:
                result = value if kind == "COMPLETE" else None
                return lambda: self.study.tell(trial, result, state=TrialState[kind], skip_if_finished=True)

    def has_drawn(self, epoch: int) -> bool:
        """Return whether its trial has the parameter that `suggest` would draw."""
        return self.trial is not None and f"{self.name} {epoch}" in self.trial.params

    def _renew(self) -> None:
        if not beats.send(self.database.engine, self._beat, self.lease, SECONDS).held:
            raise lost_error(self.lease)

    def _store_epoch(self, trial: Trial, epoch: int, value: float) -> None:
        metrics = {epoch: {"accuracy": value}}
        epochs.record(self.database.engine, self._beat, self.lease, metrics, lease_seconds=SECONDS)
        note_report(trial, epoch, value)

    @property
    def _beat(self) -> Beat:
        return Beat(worker=self.name, study_id=get_study_id(self.study), device="cpu")

    def _unaware(self, trial: Trial, epoch: int) -> Trial:
        """Return the trial as it is when the answer to its last report was lost."""
        unaware = attach_trial(self.study, get_trial_id(trial))
        unaware._cached_frozen_trial.intermediate_values.pop(epoch, None)
        return unaware
