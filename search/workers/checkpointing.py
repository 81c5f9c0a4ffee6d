"""A trial's unfinished training: watched batch by batch, kept in checkpoints, resumed by the next holder.

States are written rarely enough to cost no more than a share of the time.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import nn

from objectives.base.errors import StopTraining
from objectives.diagnosis.records import NetworkRecord
from objectives.models.weights import PackedNetwork
from search import signals
from search.workers.heartbeat import Heartbeat
from search.workers.pending_report import PendingReport
from storage.connecting.retry import with_retries
from storage.database import Database
from storage.errors import StoreFailed
from storage.leasing.leases import Lease
from storage.records import checkpoints
from storage.records.blobs import BlobStore
from storage.records.studies import StudyRecord

FIRST_COST_SECONDS = 0.05
"""The estimated cost of the first write, before any has been measured."""

_log = logging.getLogger(__name__)


class CheckpointInterval:
    """Keeps the time spent on writing below `share`, from 0 to 1, of the time that trials take.

    The next write is expected to cost as much as the last one. With a share of 1, a write is always due.
    """

    def __init__(self, share: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._share = share
        self._clock = clock
        self._cost_seconds = FIRST_COST_SECONDS
        self._started, self._spent = clock(), 0.0

    def begin(self) -> None:
        """Start a trial; it pays for what the trial before it overspent, and inherits no savings."""
        now = self._clock()
        self._spent = max(0.0, self._spent - self._share * (now - self._started))
        self._started = now

    def is_due(self) -> bool:
        """Return whether a write fits into the share now."""
        elapsed = self._clock() - self._started
        return self._share >= 1 or self._spent + self._cost_seconds <= self._share * elapsed

    def add_cost(self, seconds: float) -> None:
        """Count a write that took this long, even if it failed."""
        self._spent += seconds
        self._cost_seconds = seconds


@dataclass(frozen=True, kw_only=True)
class CheckpointManager:
    """Stores the checkpoints of a study, for all trials of a worker."""

    database: Database
    store: BlobStore
    record: StudyRecord
    interval: CheckpointInterval
    best: int
    """The number of completed trials whose network is kept."""

    def save(self, lease: Lease, trial: int, epoch: int, content: bytes, *, ended: bool = False) -> None:
        """Store a trial's state or, once it has `ended`, its network.

        Raises:
            StoreFailed: it could not be written.
            LeaseLost: another worker has the trial.
        """
        key = checkpoints.make_key(self.record.uuid, trial, lease, epoch)
        engine, study_id = self.database.engine, self.record.study_id
        with_retries(checkpoints.save, engine, self.store, lease, study_id, key, epoch, content, ended=ended)

    def keep_network(self, lease: Lease, trial: int, epochs: int, network: nn.Module | PackedNetwork) -> None:
        """Store the network of a trial that has just completed, if that is possible."""
        packed = network if isinstance(network, PackedNetwork) else PackedNetwork.pack(network)
        if packed.weights is None:
            _log.warning("the network of trial %d was not kept: its weights cannot be written to a file", trial)
            return
        try:
            self.save(lease, trial, epochs, packed.weights, ended=True)
        except StoreFailed as error:
            _log.warning("the network of trial %d was not kept: %s", trial, error)

    def tidy(self) -> None:
        """Remove the checkpoints of finished trials, except those of the best."""
        try:
            with_retries(checkpoints.tidy, self.database.engine, self.store, self.record.study_id, self.best)
        except StoreFailed as error:
            _log.warning("an old checkpoint was not removed: %s", error)

    def sweep(self) -> None:
        """Remove what earlier workers wrote and did not live to register."""
        try:
            checkpoints.sweep(self.database.engine, self.store, self.record.study_id, self.record.uuid)
        except StoreFailed as error:
            _log.warning("unregistered checkpoints were not removed: %s", error)


class CheckpointCallback:
    """The `TrainingCallback` of one trial.

    restore_lost: makes sure that every epoch is stored. note_resumed: called with the place where the training resumed,
    if it did. note_engine: called with how its steps run on a GPU. note_layers: called with the epochs' measurements.
    note_parameters: called with how many parameters the network has. note_confusion: called with the best epoch so far
    and its confusion matrix.
    """

    def __init__(
        self,
        checkpoint_manager: CheckpointManager,
        heartbeat: Heartbeat,
        trial: int,
        lease: Lease,
        pending: PendingReport,
        restore_lost: Callable[[], None],
        note_resumed: Callable[[str], None],
        note_engine: Callable[[str], None],
        note_layers: Callable[[int, NetworkRecord], None],
        note_parameters: Callable[[int], None],
        note_confusion: Callable[[int, Sequence[Sequence[int]]], None],
    ) -> None:
        self._checkpoint_manager = checkpoint_manager
        self._heartbeat = heartbeat
        self._trial = trial
        self._lease = lease
        self._pending = pending
        self._restore_lost = restore_lost
        self._note = note_resumed
        self._note_engine = note_engine
        self._note_layers = note_layers
        self._note_parameters = note_parameters
        self._note_confusion = note_confusion
        self._asked_at = 0.0
        checkpoint_manager.interval.begin()

    def beat(self) -> None:
        """Note that a batch is done.

        Raises:
            StopTraining: this process was asked to end, the study to stop or pause, or the worker to leave.
            LeaseLost: another worker has the trial.
            Pruned: the last epoch's report has come to this.
        """
        self._heartbeat.note_progress()
        self._heartbeat.raise_if_lost()
        self._pending.check()
        if signals.end_requested() or self._heartbeat.interrupts:
            raise StopTraining

    def load_state(self) -> bytes | None:
        """Return the state that an earlier holder of the trial stored; None if there is none that can be read."""
        self._heartbeat.note_progress()
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
        """Note that training cannot resume from the stored state, and begins again."""
        _log.warning("trial %d begins again at epoch 0: %s", self._trial, reason)
        self._note(f"epoch 0: {reason}")

    def note_engine(self, description: str) -> None:
        """Note how steps run on a GPU: `graph`, or `eager: ` and the reason."""
        if description != "graph":
            _log.warning("trial %d trains step by step without a CUDA graph: %s", self._trial, description)
        self._note_engine(description)

    def note_parameters(self, count: int) -> None:
        """Note how many parameters the network has."""
        self._note_parameters(count)

    def wants_layers(self) -> bool:
        """Return True: they are stored with the epochs."""
        return True

    def note_layers(self, epoch: int, record: NetworkRecord) -> None:
        """Note what was measured inside the network."""
        self._note_layers(epoch, record)

    def note_confusion(self, epoch: int, counts: Sequence[Sequence[int]]) -> None:
        """Note which classes the network took for which in the best epoch so far."""
        self._note_confusion(epoch, counts)

    def due(self) -> bool:
        """Return whether a state should be stored at the end of this epoch, whose report is stored first.

        Raises:
            Pruned: the report has come to this.
        """
        due = self._checkpoint_manager.interval.is_due()
        if due:
            self._pending.wait()
        self._asked_at = time.monotonic()
        return due

    def keep(self, epoch: int, state: bytes) -> None:
        """Store the state, from which `epoch` comes next; a failure costs only what was trained since the last one.

        Raises:
            LeaseLost: another worker has the trial.
            Pruned: the last epoch's report has come to this.
        """
        self._pending.wait()
        try:
            with self._heartbeat.pause_hang_detection():
                # Training that resumes from the state does not report the epochs before it again.
                with_retries(self._restore_lost)
                self._checkpoint_manager.save(self._lease, self._trial, epoch, state)
        except StoreFailed as error:
            _log.warning("trial %d continues without a new checkpoint: %s", self._trial, error)
        finally:
            # Counted from the question on: packing the state takes time as well.
            self._checkpoint_manager.interval.add_cost(time.monotonic() - self._asked_at)
