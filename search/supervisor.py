"""The supervisor: keeps this machine's workers of a study running, and ends them together."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from search import processes
from search.errors import Exit, Interrupted, SearchError
from search.job import WorkerJob
from search.processes import WorkerProcess
from storage import leases, workers
from storage.database import Database

GRACE_SECONDS = 8.0
POLL_SECONDS = 0.25
DEATHS_THAT_STOP = 5

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Crew:
    """Which workers to run: one job for each."""

    database: Database
    study_id: int
    jobs: list[WorkerJob]


class Supervisor:
    """Starts the crew, restarts workers that die without a word, and passes a signal on."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._context = processes.context()
        self._running: dict[int, WorkerProcess] = {}
        self._deaths = 0

    def run(self, watch: Callable[[], None]) -> None:
        """Run until every worker has ended, calling `watch` four times a second.

        Raises:
            SearchError: a worker said why it failed, or they died again and again.
            Interrupted: a signal came; the workers have ended.
        """
        with signals_raise():
            try:
                self._release_dead()
                for index in range(len(self._crew.jobs)):
                    self._start(index)
                while self._running:
                    self._collect()
                    watch()
                    time.sleep(POLL_SECONDS)
            finally:
                self._end()
                watch()

    def _start(self, index: int) -> None:
        self._running[index] = processes.start(self._context, self._crew.jobs[index])

    def _collect(self) -> None:
        for index, worker in list(self._running.items()):
            code = worker.process.exitcode
            if code is None:
                continue
            del self._running[index]
            if code == Exit.DONE:
                continue
            reason = worker.message()
            if reason is not None:
                raise SearchError(reason)
            self._restart(index, code)

    def _restart(self, index: int, code: int) -> None:
        self._deaths += 1
        if self._deaths >= DEATHS_THAT_STOP:
            raise SearchError(
                f"{self._deaths} workers died without a word (the last with code {code}); the machine may "
                "be short of memory: try fewer --workers, or see the system's log"
            )
        _log.warning("a worker died (code %d); its trial goes on in a new one", code)
        self._release_dead()
        self._start(index)

    def _release_dead(self) -> None:
        """Free at once what dead workers of this machine held, instead of waiting for their leases."""
        engine, study_id = self._crew.database.engine, self._crew.study_id
        dead = [worker for worker in workers.holders(engine, study_id) if workers.is_dead(worker)]
        if dead:
            leases.release_workers(engine, study_id, dead)

    def _end(self) -> None:
        with signals_ignored():
            for worker in self._running.values():
                worker.process.terminate()
            deadline = time.monotonic() + GRACE_SECONDS
            for worker in self._running.values():
                worker.process.join(max(0.0, deadline - time.monotonic()))
                if worker.process.exitcode is None:
                    worker.process.kill()
                    worker.process.join()
            self._running.clear()


def crew_jobs(job: WorkerJob, devices: list[str], count: int | None, cores: int) -> list[WorkerJob]:
    """One job for each worker: devices in turn, the cores shared out as threads.

    Without a count: one worker a GPU, or, on the CPU, one a core (eight at most).
    """
    if count is None:
        count = len(devices) if devices != ["cpu"] else min(cores, 8)
    threads = max(1, cores // count)
    return [replace(job, device=devices[index % len(devices)], threads=threads) for index in range(count)]


@contextmanager
def signals_raise() -> Iterator[None]:
    """Turn SIGINT and SIGTERM into `Interrupted`, whose argument is the signal, for the length of the block.

    A command started in the background by a script begins with SIGINT ignored; it is heard here all the same.
    """

    def raise_interrupted(number: int, _: object) -> None:
        raise Interrupted(number)

    with _handling(raise_interrupted):
        yield


@contextmanager
def signals_ignored() -> Iterator[None]:
    """Finish what must be finished: the workers' own grace period bounds it."""
    with _handling(signal.SIG_IGN):
        yield


@contextmanager
def _handling(handler: Callable[[int, object], None] | signal.Handlers) -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
