"""A worker's heartbeat: a thread that renews the lease, shows that the worker is alive, learns what people ask of
it, and ends the process if its training hangs."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from search.workers.job import HUNG, WorkerJob
from storage.connecting.statements import Question
from storage.database import Database
from storage.errors import LeaseLost
from storage.leasing import beats, leases
from storage.leasing.beats import Beat, Orders
from storage.leasing.fencing import LeaseFence
from storage.leasing.leases import Lease, lost_error
from storage.records import epochs
from storage.records.epochs import Recorded

# The worker learns that the study was stopped or paused, or that it is to leave, with the next beat.
LONGEST_PAUSE_SECONDS = 3.0

FIRST_PAUSE_SECONDS = 0.2
"""A trial that has not reported by then is shown by a beat of its own."""

_log = logging.getLogger(__name__)


class Heartbeat:
    """Beats at least three times per lease. The training thread calls `raise_if_lost` and reads `orders`."""

    def __init__(
        self,
        database: Database,
        fence: LeaseFence,
        job: WorkerJob,
        *,
        worker: str,
        study_id: int,
    ) -> None:
        self._database = database
        self._fence = fence
        self._worker = worker
        self._study_id = study_id
        self._device = job.place
        self._lease_seconds = job.settings.lease_seconds
        self._hung_seconds = job.settings.hung_seconds
        self._stop = False
        self._wake = threading.Event()
        self._shown: int | None = None
        self._beat_at = 0.0
        self._lost: LeaseLost | None = None
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._trial: int | None = None
        self._epoch: int | None = None
        self._progressed_at: float | None = None
        self.orders = Orders()
        """What the storage said last."""
        self.note_epoch: Callable[[], object] = lambda: None
        """Called whenever an epoch is stored."""

    def start(self) -> None:
        """Keep beating in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Stop beating."""
        self._stop = True
        self._wake.set()
        self._thread.join(timeout=5)

    def beat(self) -> None:
        """Show that the worker is alive, renew its lease, and learn what it is to do."""
        lease = self._fence.lease
        described = self._describe()
        answer = beats.send(self._database.engine, described, lease, self._lease_seconds)
        self._note_shown(described)
        if lease is not None and not answer.held and self._fence.lease == lease:
            # Otherwise the trial has just finished, and its lease with it.
            self._lost = lost_error(lease)
        self.orders = answer.orders

    def begin_trial(self, trial: int) -> None:
        """Show which trial begins, under the fence's present lease: soon, unless its first epoch does so before."""
        self._lost = None
        self._trial, self._epoch = trial, None
        self._wake.set()

    def record_epochs(
        self,
        lease: Lease,
        metrics: Mapping[int, Mapping[str, float]],
        layers: Mapping[int, Mapping[str, Any]],
        question: Question | None = None,
    ) -> Recorded:
        """Store epochs of the trial, by their numbers, and ask a question: a beat, which shows how far the worker is.

        Raises:
            LeaseLost: another worker has the trial.
            UpdateFinishedTrialError: the trial has ended.
        """
        self._epoch = max(metrics)
        engine = self._database.engine
        described = self._describe()
        recorded = epochs.record(
            engine,
            described,
            lease,
            metrics,
            lease_seconds=self._lease_seconds,
            layers=layers,
            question=question,
        )
        self.note_epoch()
        self.orders = recorded.orders
        self._note_shown(described)
        return recorded

    def end_trial(self) -> None:
        """Show, from the next beat on, that the worker has no trial."""
        self._trial = self._epoch = self._progressed_at = None

    def note_progress(self) -> None:
        """Note that a batch is done. From the first one until `end_trial`, a missing next one means a hung training."""
        self._progressed_at = time.monotonic()

    @contextmanager
    def pause_hang_detection(self) -> Iterator[None]:
        """Within the block, which waits for the storage, the training never counts as hung."""
        watched, self._progressed_at = self._progressed_at is not None, None
        try:
            yield
        finally:
            if watched:
                self.note_progress()

    @property
    def interrupts(self) -> bool:
        """Whether the trial in training is to be left to another worker, or to this one later."""
        return self.orders.ends or self.orders.pauses

    def raise_if_lost(self) -> None:
        """Raise `LeaseLost` if a beat has found that another worker has the trial."""
        if self._lost is not None:
            raise self._lost

    def _run(self) -> None:
        pause = min(self._lease_seconds / 3, self._hung_seconds / 3, LONGEST_PAUSE_SECONDS)
        while self._wait(pause):
            self._end_if_hung()
            with suppress(SQLAlchemyError):  # the storage is unreachable: the next beat tries again, the lease decides
                self.beat()

    def _wait(self, pause: float) -> bool:
        """Wait until the next beat is due, and return whether there is to be one."""
        while not self._stop:
            if not self._wake.wait(pause):
                return True
            self._wake.clear()
            over = self._wake.wait(FIRST_PAUSE_SECONDS)  # the next trial has begun, or the worker ends
            if time.monotonic() - self._beat_at >= pause or not (over or self._shown == self._trial):
                return not self._stop
        return False

    def _end_if_hung(self) -> None:
        """End this process if its training hangs: nothing else ends a hung thread. The next holder learns of it."""
        progressed_at, lease = self._progressed_at, self._fence.lease
        if progressed_at is None or lease is None or time.monotonic() - progressed_at < self._hung_seconds:
            return
        _log.error("trial %s hangs (no batch for %.0f s); its worker ends", self._trial, self._hung_seconds)
        with suppress(SQLAlchemyError):  # the storage is unreachable: the lease expires by itself
            leases.release(self._database.engine, lease, hung=True)
        os._exit(HUNG)

    def _note_shown(self, beat: Beat) -> None:
        self._shown, self._beat_at = beat.trial, time.monotonic()

    def _describe(self) -> Beat:
        return Beat(
            worker=self._worker, study_id=self._study_id, device=self._device, trial=self._trial, epoch=self._epoch
        )
