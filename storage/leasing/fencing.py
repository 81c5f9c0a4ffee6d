"""The fence: ties every write of a worker to its lease, inside Optuna's own transactions.

Optuna's storage writes a trial's state, parameters and values each in a transaction of its own. The fence takes part
in these transactions: a trial that starts gets its slot of the budget and its lease in the same commit, and every
later write commits only while the lease is valid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from optuna.storages import RDBStorage
from sqlalchemy import Connection

from storage.leasing import leases
from storage.leasing.leases import Lease
from storage.leasing.repeats import NOT_SHARED, SharedSlots
from storage.leasing.slots import take_slot
from storage.leasing.starting import start_trial
from storage.optuna_adapter import get_engine, observe_transactions


class FencedStorage(Protocol):
    """A storage that has Optuna's own behind it, and lets somebody else start new trials."""

    backend: RDBStorage
    start_trial: Callable[[int], int] | None


class LeaseFence:
    """Fences one worker's storage, through which one thread writes about one trial at a time.

    It is a `TransactionObserver` of that storage.
    """

    def __init__(
        self, storage: FencedStorage, worker: str, lease_seconds: float, shared: SharedSlots = NOT_SHARED
    ) -> None:
        self.lease: Lease | None = None
        """The lease under which the worker writes; None between trials."""
        self._engine = get_engine(storage.backend)
        self._worker = worker
        self._seconds = lease_seconds
        self._shared = shared
        self._may_start = False
        # What the present transaction does; it counts once it is committed.
        self._started: Lease | None = None
        self._finished = False
        observe_transactions(storage.backend, self)
        storage.start_trial = self._start_trial

    @contextmanager
    def claiming(self) -> Iterator[None]:
        """Within the block, the transaction that starts a trial also takes a slot of the budget and the trial's lease.

        A worker can start a trial only within such a block. Afterwards `lease` is the trial's lease.

        Raises:
            NoSlot: the study has no slot left or was stopped; no trial was started.
        """
        self._may_start = True
        try:
            yield
        finally:
            self._may_start = False

    def _start_trial(self, study_id: int) -> int:
        self._check_may_start()
        self.lease = start_trial(self._engine, study_id, self._worker, self._seconds, self._shared)
        return self.lease.trial_id

    def _check_may_start(self) -> None:
        assert self._may_start, "a worker starts a trial only within `LeaseFence.claiming`"
        assert self.lease is None, "a worker holds one trial at a time"

    def trial_started(self, connection: Connection, study_id: int, trial_id: int) -> None:
        """Take part in the start of a trial that was enqueued."""
        self._check_may_start()
        take_slot(connection, study_id, self._shared, worker=self._worker)
        self._started = leases.claim(connection, study_id, trial_id, self._worker, self._seconds)

    def trial_finished(self, connection: Connection, trial_id: int) -> None:
        if self.lease is None:
            return
        leases.end(connection, self.lease)
        self._finished = True

    def before_commit(self, connection: Connection, *, wrote: bool) -> None:
        if not wrote or self.lease is None or self._finished:
            return
        leases.count_write(connection, self.lease)

    def after_commit(self) -> None:
        if self._started is not None:
            self.lease = self._started
        if self._finished:
            self.lease = None
        self._forget_transaction()

    def after_rollback(self) -> None:
        self._forget_transaction()

    def _forget_transaction(self) -> None:
        self._started = None
        self._finished = False
