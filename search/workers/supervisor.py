"""The supervisor: keeps this machine's workers of a study running, and ends them together."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy.exc import SQLAlchemyError

from search.errors import Exit, SearchError
from search.signals import hurry_on_second
from search.workers import processes
from search.workers.job import HUNG, OUTAGE, WorkerJob
from search.workers.processes import GRACE_SECONDS, WorkerProcess
from storage.database import Database
from storage.leasing import leases, workers
from storage.records import epochs

POLL_SECONDS = 0.25
DEATHS_THAT_STOP = 5
"""This number of deaths per worker, without a new epoch of the study between them, ends the run."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class WorkerPool:
    """The workers to run: one job for each."""

    database: Database
    study_id: int
    jobs: list[WorkerJob]


class Supervisor:
    """Starts the workers of a pool, replaces those that die without a message, and passes signals on."""

    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool
        self._context = processes.start_fork_server()
        self._running: dict[int, WorkerProcess] = {}
        self._deaths = 0
        self._epochs = 0

    def run(self, watch: Callable[[], None]) -> None:
        """Run until every worker has ended, calling `watch` four times a second.

        Raises:
            SearchError: a worker failed with a message, or workers kept dying.
            Interrupted: a signal came; the workers have ended.
        """
        try:
            self._release_dead()
            for index in range(len(self._pool.jobs)):
                self._start(index)
            while self._running:
                self._collect()
                watch()
                time.sleep(POLL_SECONDS)
        finally:
            self._end()

    def _start(self, index: int) -> None:
        self._running[index] = processes.start_worker(self._context, self._pool.jobs[index])

    def _collect(self) -> None:
        for index, worker in list(self._running.items()):
            code = worker.process.exitcode
            if code is None:
                continue
            del self._running[index]
            if code == Exit.DONE:
                continue
            reason = worker.read_message()
            if reason is not None and code != OUTAGE:
                raise SearchError(reason)
            if code != HUNG:  # a trial that hangs with every worker fails in the end
                self._count_death(code)
            _log.warning("a worker died (code %d); a new one resumes its trial", code)
            self._release_dead()
            self._start(index)

    def _count_death(self, code: int) -> None:
        self._deaths = 1 if self._has_moved() else self._deaths + 1
        if self._deaths >= DEATHS_THAT_STOP * len(self._pool.jobs):
            raise SearchError(
                f"{self._deaths} workers died one after another without finishing an epoch (the last with code "
                f"{code}); the machine may lack memory or have a broken GPU: try fewer --workers, or read its log"
            )

    def _has_moved(self) -> bool:
        """Return whether an epoch of the study, trained here or elsewhere, was stored since the last call."""
        try:
            before, self._epochs = (
                self._epochs,
                epochs.count_epochs(self._pool.database.engine, self._pool.study_id),
            )
        except SQLAlchemyError:
            return False
        return self._epochs > before

    def _release_dead(self) -> None:
        """Release at once what dead workers of this machine hold, instead of waiting until their leases expire."""
        engine, study_id = self._pool.database.engine, self._pool.study_id
        try:
            dead = workers.find_dead(engine, study_id)
            if dead:
                leases.release_workers(engine, study_id, dead)
        except SQLAlchemyError as error:
            _log.warning("the trials of dead workers wait until their leases expire (%s)", type(error).__name__)

    def _end(self) -> None:
        """Let every worker finish its step; kill those left at a second signal or after the grace period."""
        for worker in self._running.values():
            worker.process.terminate()
        deadline = time.monotonic() + GRACE_SECONDS
        with hurry_on_second(self._kill):
            for worker in self._running.values():
                worker.process.join(max(0.0, deadline - time.monotonic()))
        self._kill()
        for worker in self._running.values():
            worker.process.join()
        killed = any(worker.process.exitcode != Exit.TERMINATED for worker in self._running.values())
        self._running.clear()
        if killed:
            self._release_dead()

    def _kill(self) -> None:
        for worker in self._running.values():
            if worker.process.exitcode is None:
                worker.process.kill()


def plan_jobs(job: WorkerJob, devices: list[str], count: int | None, cores: int) -> list[WorkerJob]:
    """Return one job for each worker: the devices in turn, the cores divided into threads.

    Without a count there is one worker per GPU or, on the CPU, one per core (eight at most).
    """
    if count is None:
        count = len(devices) if devices != ["cpu"] else min(cores, 8)
    threads = max(1, cores // count)
    return [replace(job, device=devices[index % len(devices)], threads=threads) for index in range(count)]
