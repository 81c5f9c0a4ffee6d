"""A worker of the model's test: it takes trials and writes about them as the service's own workers do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import optuna
from optuna.trial import Trial, TrialState
from sqlalchemy.orm import scoped_session, sessionmaker

from storage.database import Database
from storage.leasing import leases
from storage.leasing.fencing import LeaseFence
from storage.leasing.leases import Lease
from storage.records import epochs

SECONDS = 600.0
WRITES = ("record", "repeat", "report", "note", "suggest", "COMPLETE", "PRUNED", "FAIL", "renew")


class Life:
    """One worker from its start to its death: sessions, a guard and a name of its own."""

    def __init__(self, database: Database, name: str, study_name: str) -> None:
        self.name = name
        self.database = database
        storage = database.optuna
        # As a new process has them; only the connections are those of the worker before, which saves time.
        storage.scoped_session = scoped_session(sessionmaker(bind=storage.engine))
        self.fence = LeaseFence(storage, name, SECONDS)
        self.study = optuna.load_study(
            study_name=study_name, storage=storage, sampler=optuna.samplers.RandomSampler(seed=0)
        )
        self.trial: Trial | None = None

    @property
    def lease(self) -> Lease:
        """What it believes to hold."""
        assert self.fence.lease is not None
        return self.fence.lease

    def attach(self, lease: Lease) -> None:
        """Go on with a trial that was taken over."""
        self.fence.lease = lease
        self.study.get_trials(deepcopy=False)
        self.trial = Trial(self.study, lease.trial_id)

    def forget(self) -> None:
        """Be without a trial, as after a lost lease."""
        self.fence.lease = self.trial = None

    def attempt(self, kind: str, epoch: int, value: float) -> Callable[[], object]:
        """One of the `WRITES`, to be called."""
        trial = self.trial
        assert trial is not None
        match kind:
            case "renew":
                return lambda: self._in_transaction(leases.renew, SECONDS)
            case "record" | "repeat":
                return lambda: self._in_transaction(epochs.record, epoch, {"accuracy": value}, lease_seconds=SECONDS)
            case "report":
                return lambda: trial.report(value, epoch)
            case "note":
                return lambda: trial.set_user_attr(f"{self.name} {epoch}", value)
            case "suggest":
                return lambda: trial.suggest_float(f"{self.name} {epoch}", 0, 1)
            case _:
                result = value if kind == "COMPLETE" else None
                return lambda: self.study.tell(trial, result, state=TrialState[kind], skip_if_finished=True)

    def _in_transaction(self, function: Callable[..., None], *values: Any, **named: Any) -> None:
        with self.database.engine.begin() as connection:
            function(connection, self.lease, *values, **named)
