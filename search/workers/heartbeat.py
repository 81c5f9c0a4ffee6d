"""A worker's pulse: a thread that renews its lease, shows that it lives, hears when it should end, and ends it
when its training hangs."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from search.workers.job import HUNG
from storage.database import Database
from storage.errors import LeaseLost, UnknownStudy
from storage.leasing import leases, workers
from storage.leasing.fencing import LeaseFence
from storage.records import epochs, studies

# A stop, or a deadline, is heard of at the next beat.
LONGEST_PAUSE_SECONDS = 3.0

_log = logging.getLogger(__name__)


class Heartbeat:
    """Beats at least three times a lease. `check` tells the training thread, between epochs, whether to go on."""

    def __init__(
        self,
        database: Database,
        fence: LeaseFence,
        *,
        worker: str,
        study: str,
        device: str,
        lease_seconds: float,
        hung_seconds: float,
    ) -> None:
        self._database = database
        self._fence = fence
        self._worker = worker
        self._study = study
        self._device = device
        self._lease_seconds = lease_seconds
        self._hung_seconds = hung_seconds
        self._stop = threading.Event()
        self._lost: LeaseLost | None = None
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)
        self._trial: int | None = None
        self._epoch: int | None = None
        self._progressed: float | None = None
        self.ended = False
        """Whether the study has been stopped or its deadline has passed."""

    def beat(self, study_id: int) -> None:
        """The first beat, for a study."""
        self._study_id = study_id
        self._beat()

    def start(self) -> None:
        """Beat on in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Beat no more."""
        self._stop.set()
        self._thread.join(timeout=5)

    def begin(self, trial: int) -> None:
        """A trial begins, under the guard's present lease."""
        self._lost = None
        self._trial, self._epoch = trial, None
        with self._database.engine.begin() as connection:
            self._show(connection)

    def record(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Store an epoch of the trial, renew its lease, and show how far it is, in one transaction.

        Raises:
            LeaseLost: another worker has the trial.
        """
        lease = self._fence.lease
        assert lease is not None
        self._epoch = epoch
        with self._database.engine.begin() as connection:
            self._show(connection)  # first, as in every beat: both threads take their locks in one order
            epochs.record(connection, lease, epoch, metrics, lease_seconds=self._lease_seconds)

    def finish(self) -> None:
        """The trial is over."""
        self._trial = self._epoch = self._progressed = None

    def progressed(self) -> None:
        """A batch is done. From the first one until `finish`, the trial hangs where the next one does not come."""
        self._progressed = time.monotonic()

    @contextmanager
    def unhurried(self) -> Iterator[None]:
        """A block that waits for others: however long it takes, the trial does not hang."""
        watched, self._progressed = self._progressed is not None, None
        try:
            yield
        finally:
            if watched:
                self.progressed()

    def check(self) -> None:
        """Raise `LeaseLost` if another worker has the trial."""
        if self._lost is not None:
            raise self._lost

    def _run(self) -> None:
        pause = min(self._lease_seconds / 3, self._hung_seconds / 3, LONGEST_PAUSE_SECONDS)
        while not self._stop.wait(pause):
            self._end_if_hung()
            try:
                self._beat()
            except SQLAlchemyError:
                continue  # the storage is away: the next beat tries again, the lease decides

    def _end_if_hung(self) -> None:
        """End this process: nothing else ends a thread that hangs. The next holder learns that it did."""
        progressed, lease = self._progressed, self._fence.lease
        if progressed is None or lease is None or time.monotonic() - progressed < self._hung_seconds:
            return
        _log.error("trial %s hangs (no batch for %.0f s); its worker ends", self._trial, self._hung_seconds)
        with suppress(SQLAlchemyError):  # the storage is away: the lease runs out by itself
            leases.release(self._database.engine, lease, hung=True)
        os._exit(HUNG)

    def _show(self, connection: Connection) -> None:
        workers.beat(connection, self._worker, self._study_id, self._device, self._trial, self._epoch)

    def _beat(self) -> None:
        lease = self._fence.lease
        try:
            with self._database.engine.begin() as connection:
                self._show(connection)
                if lease is not None:
                    leases.renew(connection, lease, self._lease_seconds)
        except LeaseLost as error:
            if self._fence.lease == lease:  # else the trial has just finished, and its lease with it
                self._lost = error
        try:
            record = studies.get(self._database.engine, self._study)
            self.ended = record.control != "run" or record.overdue
        except UnknownStudy:
            self.ended = True
