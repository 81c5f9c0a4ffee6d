"""A rank's end of the pipe to its worker: its training tells what happens, and hears when to stop."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from queue import Empty, SimpleQueue

from objectives.base.errors import StopTraining
from objectives.diagnosis.records import NetworkRecord
from objectives.training.callbacks import NullCallback
from search.errors import Exit
from search.workers.ranks.messages import Answer, Call, Progress, Stop

PROGRESS_SECONDS = 0.1
"""Time between two messages about progress."""
LOOK_SECONDS = 0.1


class Link:
    """The pipe; a thread listens to it, and ends the process with the worker: training may wait for dead ranks."""

    def __init__(self, connection: Connection, folder: Path) -> None:
        """Begin to listen; a worker that dies leaves the folder behind, which is removed then."""
        self._connection = connection
        self._folder = folder
        self._answers: SimpleQueue[Answer] = SimpleQueue()
        self._stops = threading.Event()
        self._over = threading.Event()
        self._left = threading.Event()
        threading.Thread(target=self._listen, name="worker", daemon=True).start()

    @property
    def stops(self) -> bool:
        """Whether the worker has asked the training to stop."""
        return self._stops.is_set()

    def send(self, message: object) -> None:
        """Tell the worker; to one that is gone there is nothing to tell."""
        try:
            self._connection.send(message)
        except OSError:
            self._left.wait()

    def call(self, method: str, *arguments: object) -> object:
        """Return what a method of the worker's returns.

        Raises:
            StopTraining: training is to stop here.
        """
        self.send(Call(method, arguments))
        while True:
            try:
                answer = self._answers.get(timeout=LOOK_SECONDS)
            except Empty:
                if self.stops and method != "keep":
                    raise StopTraining from None
                continue
            if answer.stops:
                raise StopTraining
            return answer.value

    def wait_for_end(self) -> None:
        """Wait until the worker closes the pipe, after the last message.

        Until then, this rank's connections to the others stay open: they learn of its end from the worker alone.
        """
        self._over.set()
        self._left.wait()

    def _listen(self) -> None:
        try:
            while True:
                message = self._connection.recv()
                if isinstance(message, Stop):
                    self._stops.set()
                else:
                    self._answers.put(message)
        except (EOFError, OSError):
            shutil.rmtree(self._folder, ignore_errors=True)
            if not self._over.is_set():
                os._exit(Exit.TERMINATED)
            self._left.set()


class FollowerCallback(NullCallback):
    """The `TrainingCallback` of every rank but the first: it begins where that one does."""

    def __init__(self, state: bytes | None) -> None:
        self._state = state

    def load_state(self) -> bytes | None:
        """Return the state to resume from."""
        return self._state


class FirstCallback(FollowerCallback):
    """The `TrainingCallback` of the first rank: what it is told goes to the worker's."""

    def __init__(self, link: Link, state: bytes | None, wants_layers: bool) -> None:
        super().__init__(state)
        self._link = link
        self._wants_layers = wants_layers
        self._told_at = 0.0

    def beat(self) -> None:
        """Tell of progress, now and then.

        Raises:
            StopTraining: the worker has asked for it.
        """
        if self._link.stops:
            raise StopTraining
        if time.monotonic() - self._told_at >= PROGRESS_SECONDS:
            self._told_at = time.monotonic()
            self._link.send(Progress())

    def report_refused(self, reason: str) -> None:
        """Tell that the state cannot be used."""
        self._link.call("report_refused", reason)

    def note_engine(self, description: str) -> None:
        """Tell how steps run."""
        self._link.call("note_engine", description)

    def note_parameters(self, count: int) -> None:
        """Tell how many parameters the network has."""
        self._link.call("note_parameters", count)

    def wants_layers(self) -> bool:
        """Return what the worker's callback does."""
        return self._wants_layers

    def note_layers(self, epoch: int, record: NetworkRecord) -> None:
        """Tell of the network's measurements."""
        self._link.call("note_layers", epoch, record)

    def note_confusion(self, epoch: int, counts: Sequence[Sequence[int]]) -> None:
        """Tell which classes the network took for which in the best epoch so far."""
        self._link.call("note_confusion", epoch, counts)

    def due(self) -> bool:
        """Return whether to keep a state at the end of this epoch."""
        return bool(self._link.call("due"))

    def keep(self, epoch: int, state: bytes) -> None:
        """Have the worker keep the state."""
        self._link.call("keep", epoch, state)


def report_through(link: Link, epoch: int, metrics: Mapping[str, float]) -> None:
    """Report an epoch: the first rank's report counts, and the others wait for what it comes to.

    Raises:
        StopTraining: training ends with this epoch, on all ranks.
    """
    if link.stops:
        raise StopTraining
    link.call("report", epoch, dict(metrics))
