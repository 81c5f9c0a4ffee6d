"""A trial's unfinished training: followed batch by batch, kept in checkpoints, gone on with by the next holder."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from objectives.base.errors import StopTraining
from objectives.models.weights import pack_weights
from search import signals
from search.workers.checkpoint_interval import CheckpointInterval
from search.workers.heartbeat import Heartbeat
from storage.blob_stores import BlobStore
from storage.database import Database
from storage.errors import StoreFailed
from storage.leasing.leases import Lease
from storage.records import checkpoints
from storage.records.studies import StudyRecord
from storage.retry import with_retries

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class CheckpointManager:
    """Where a study's checkpoints are kept, and how many: what all trials of a worker share."""

    database: Database
    store: BlobStore
    record: StudyRecord
    interval: CheckpointInterval
    best: int
    """How many completed trials keep their network."""

    def save(self, lease: Lease, trial: int, epoch: int, content: bytes, *, ended: bool = False) -> None:
        """Keep a trial's state or, once it has ended, its network.

        Raises:
            StoreFailed, LeaseLost.
        """
        key = f"{self.record.uuid}/{trial}/{lease.token}-{epoch}-{time.time_ns()}"
        engine, study_id = self.database.engine, self.record.study_id
        with_retries(checkpoints.save, engine, self.store, lease, study_id, key, epoch, content, ended=ended)

    def keep_network(self, lease: Lease, trial: int, epochs: int, network: nn.Module) -> None:
        """Keep the network of a trial that has just completed."""
        try:
            self.save(lease, trial, epochs, pack_weights(network)[0], ended=True)
        except (StoreFailed, RuntimeError, ValueError) as error:  # some tensors have no form as a file
            _log.warning("the network of trial %d is not kept: %s", trial, error)

    def tidy(self) -> None:
        """Forget the checkpoints of trials that are over, but for the best."""
        try:
            with_retries(checkpoints.tidy, self.database.engine, self.store, self.record.study_id, self.best)
        except StoreFailed as error:
            _log.warning("a checkpoint was left behind: %s", error)

    def sweep(self) -> None:
        """Forget what earlier workers wrote and did not come to register."""
        try:
            self.store.tidy(self.record.uuid, checkpoints.keys(self.database.engine, self.record.study_id))
        except StoreFailed as error:
            _log.warning("checkpoints are not tidied: %s", error)


class CheckpointCallback:
    """The `Watcher` of one trial. `note(text)` is called with where the training went on from, if it did."""

    def __init__(
        self,
        checkpoint_manager: CheckpointManager,
        heartbeat: Heartbeat,
        trial: int,
        lease: Lease,
        note: Callable[[str], None],
    ) -> None:
        self._checkpoint_manager = checkpoint_manager
        self._heartbeat = heartbeat
        self._trial = trial
        self._lease = lease
        self._note = note
        self._asked_at = 0.0
        checkpoint_manager.interval.begin()

    def beat(self) -> None:
        """
        Raises:
            Leave: this process was asked to end, or the study to stop.
            LeaseLost: another worker has the trial.
        """
        self._heartbeat.progressed()
        self._heartbeat.check()
        if signals.end_requested() or self._heartbeat.ended:
            raise StopTraining

    def load_state(self) -> bytes | None:
        self._heartbeat.progressed()
        engine = self._checkpoint_manager.database.engine
        found = with_retries(checkpoints.find, engine, self._lease.trial_id)
        if found is None:
            return None
        try:
            content = checkpoints.load(self._checkpoint_manager.store, found)
        except StoreFailed as error:
            self.report_refused(str(error))
            return None
        self._note(f"epoch {found.epoch}")
        return content

    def report_refused(self, reason: str) -> None:
        _log.warning("trial %d begins again at epoch 0: %s", self._trial, reason)
        self._note(f"epoch 0: {reason}")

    def due(self) -> bool:
        self._asked_at = time.monotonic()
        return self._checkpoint_manager.interval.due()

    def keep(self, epoch: int, state: bytes) -> None:
        """A store that does not take it costs no more than the time since the checkpoint before.

        Raises:
            LeaseLost: another worker has the trial.
        """
        try:
            with self._heartbeat.unhurried():
                self._checkpoint_manager.save(self._lease, self._trial, epoch, state)
        except StoreFailed as error:
            _log.warning("trial %d goes on without a new checkpoint: %s", self._trial, error)
        finally:
            # From the question on: to pack the state takes time as well.
            self._checkpoint_manager.interval.paid(time.monotonic() - self._asked_at)
