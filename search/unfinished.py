"""A trial's unfinished training: followed batch by batch, kept in checkpoints, gone on with by the next holder."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from objectives.core.errors import Leave
from search import signals
from search.outages import patiently
from search.pace import Pace
from search.pulse import Pulse
from search.weights import pack_weights
from storage import checkpoints
from storage.database import Database
from storage.errors import StoreFailed
from storage.leases import Hold
from storage.stores import Store
from storage.studies import StudyRecord

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """Where a study's checkpoints are kept, and how many: what all trials of a worker share."""

    database: Database
    store: Store
    record: StudyRecord
    pace: Pace
    best: int
    """How many completed trials keep their network."""

    def save(self, hold: Hold, trial: int, epoch: int, content: bytes, *, ended: bool = False) -> None:
        """Keep a trial's state or, once it has ended, its network.

        Raises:
            StoreFailed, LeaseLost.
        """
        key = f"{self.record.uuid}/{trial}/{hold.token}-{epoch}-{time.time_ns()}"
        engine, study_id = self.database.engine, self.record.study_id
        patiently(checkpoints.save, engine, self.store, hold, study_id, key, epoch, content, ended=ended)

    def keep_network(self, hold: Hold, trial: int, epochs: int, network: nn.Module) -> None:
        """Keep the network of a trial that has just completed."""
        try:
            self.save(hold, trial, epochs, pack_weights(network)[0], ended=True)
        except (StoreFailed, RuntimeError, ValueError) as error:  # some tensors have no form as a file
            _log.warning("the network of trial %d is not kept: %s", trial, error)

    def tidy(self) -> None:
        """Forget the checkpoints of trials that are over, but for the best."""
        try:
            patiently(checkpoints.tidy, self.database.engine, self.store, self.record.study_id, self.best)
        except StoreFailed as error:
            _log.warning("a checkpoint was left behind: %s", error)

    def sweep(self) -> None:
        """Forget what earlier workers wrote and did not come to register."""
        try:
            self.store.tidy(self.record.uuid, checkpoints.keys(self.database.engine, self.record.study_id))
        except StoreFailed as error:
            _log.warning("checkpoints are not tidied: %s", error)


class Unfinished:
    """The `Watcher` of one trial. `note(text)` is called with where the training went on from, if it did."""

    def __init__(self, shelf: Shelf, pulse: Pulse, trial: int, hold: Hold, note: Callable[[str], None]) -> None:
        self._shelf = shelf
        self._pulse = pulse
        self._trial = trial
        self._hold = hold
        self._note = note
        self._asked_at = 0.0
        shelf.pace.begin()

    def beat(self) -> None:
        """
        Raises:
            Leave: this process was asked to end, or the study to stop.
            LeaseLost: another worker has the trial.
        """
        self._pulse.progressed()
        self._pulse.check()
        if signals.asked() or self._pulse.ended:
            raise Leave

    def state(self) -> bytes | None:
        self._pulse.progressed()
        engine = self._shelf.database.engine
        found = patiently(checkpoints.find, engine, self._hold.trial_id)
        if found is None:
            return None
        try:
            content = checkpoints.load(self._shelf.store, found)
        except StoreFailed as error:
            self.refused(str(error))
            return None
        self._note(f"epoch {found.epoch}")
        return content

    def refused(self, reason: str) -> None:
        _log.warning("trial %d begins again at epoch 0: %s", self._trial, reason)
        self._note(f"epoch 0: {reason}")

    def due(self) -> bool:
        self._asked_at = time.monotonic()
        return self._shelf.pace.due()

    def keep(self, epoch: int, state: bytes) -> None:
        """A store that does not take it costs no more than the time since the checkpoint before.

        Raises:
            LeaseLost: another worker has the trial.
        """
        try:
            with self._pulse.unhurried():
                self._shelf.save(self._hold, self._trial, epoch, state)
        except StoreFailed as error:
            _log.warning("trial %d goes on without a new checkpoint: %s", self._trial, error)
        finally:
            # From the question on: to pack the state takes time as well.
            self._shelf.pace.paid(time.monotonic() - self._asked_at)
