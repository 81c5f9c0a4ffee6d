"""The report of an epoch, which is stored and decided about while the next epoch trains."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread

from search.workers.heartbeat import Heartbeat


class Pruned(Exception):
    """The pruner stopped the trial; raised out of the objective's report, or between two batches."""


class PendingReport:
    """At most one report whose answer is not known yet; a worker has one of these, for one trial after another."""

    def __init__(self, heartbeat: Heartbeat) -> None:
        self._heartbeat = heartbeat
        # Less than an executor and its futures do: they took a tenth of the time of an epoch without training.
        self._jobs: SimpleQueue[Callable[[], bool] | None] = SimpleQueue()
        self._answers: SimpleQueue[bool | BaseException] = SimpleQueue()
        self._asked = False
        self._thread = Thread(target=self._work, name="report", daemon=True)

    def submit(self, job: Callable[[], bool]) -> None:
        """Store an epoch in the background; the job returns whether the pruner stops the trial."""
        assert not self._asked, "the answer to the last report is waited for first"
        if self._thread.ident is None:
            self._thread.start()
        self._asked = True
        self._jobs.put(job)

    def check(self) -> None:
        """Raise what the report came to, if that is known and is not that training goes on.

        Raises:
            Pruned: the pruner stops the trial.
            Exception: what the job raised.
        """
        if self._asked and not self._answers.empty():
            self._take()

    def wait(self) -> None:
        """Do what `check` does once the report's answer has come."""
        with self._heartbeat.pause_hang_detection():
            self._take()

    def close(self) -> None:
        """End the thread."""
        self._jobs.put(None)
        if self._thread.ident is not None:
            self._thread.join()

    def _take(self) -> None:
        if not self._asked:
            return
        answer = self._answers.get()
        self._asked = False
        if isinstance(answer, BaseException):
            raise answer
        if answer:
            raise Pruned

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                self._answers.put(job())
            except BaseException as error:  # raised where the answer is taken
                self._answers.put(error)
