"""The report of an epoch, which is stored and decided about while the next epoch trains."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from search.workers.heartbeat import Heartbeat


class Pruned(Exception):
    """The pruner stopped the trial; raised out of the objective's report, or between two batches."""


class PendingReport:
    """At most one report whose answer is not known yet; a worker has one of these, for one trial after another."""

    def __init__(self, heartbeat: Heartbeat) -> None:
        self._heartbeat = heartbeat
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="report")
        self._future: Future[bool] | None = None

    def submit(self, job: Callable[[], bool]) -> None:
        """Store an epoch in the background; the job returns whether the pruner stops the trial."""
        assert self._future is None, "the answer to the last report is waited for first"
        self._future = self._thread.submit(job)

    def check(self) -> None:
        """Raise what the report came to, if that is known and is not that training goes on.

        Raises:
            Pruned: the pruner stops the trial.
            Exception: what the job raised.
        """
        if self._future is not None and self._future.done():
            self._take()

    def wait(self) -> None:
        """Do what `check` does once the report's answer has come."""
        with self._heartbeat.pause_hang_detection():
            self._take()

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown()

    def _take(self) -> None:
        future, self._future = self._future, None
        if future is not None and future.result():
            raise Pruned
