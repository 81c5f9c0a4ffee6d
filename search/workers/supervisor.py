"""The supervisor: keeps this machine's workers of a study running, and ends them together."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Protocol

from sqlalchemy import Engine as DatabaseEngine
from sqlalchemy.exc import SQLAlchemyError

from search.errors import Exit, SearchError
from search.workers.devices import count_cores
from search.workers.job import HUNG, OUTAGE, WorkerJob
from search.workers.machine.gpu_memory import MemoryBudget
from search.workers.machine.growth import Growth
from storage.database import Database
from storage.leasing import leases, workers
from storage.records import epochs

POLL_SECONDS = 0.25
LOOK_SECONDS = 1.0
"""Time between two looks at whether a GPU gains by more workers."""
DEATHS_THAT_STOP = 5
"""This number of deaths per worker, without a new epoch of the study between them, ends the run."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class WorkerPool:
    """The workers to run: one job for each."""

    database: Database
    study_id: int
    jobs: list[WorkerJob]
    is_over: Callable[[], bool]
    """Whether no trial is left, not even for a worker that has not begun."""


class RunningWorker(Protocol):
    """A worker that was started, wherever it runs."""

    @property
    def exitcode(self) -> int | None:
        """The code with which the worker has ended; None while it runs."""

    def describe_end(self) -> str:
        """Return how the worker has ended, for a line of the log."""

    def read_message(self) -> str | None:
        """Return why the worker failed, in one sentence; None if it did not tell."""

    def was_drained(self, engine: DatabaseEngine) -> bool:
        """Return whether somebody had asked the worker to leave that has died: then nobody takes its place."""


class Engine(Protocol):
    """What starts a supervisor's workers: processes of this machine, or of a cluster's machines."""

    def share(self, devices: Sequence[str], *, may_grow: bool) -> AbstractContextManager[Mapping[str, str]]:
        """Let workers share devices within the block; yield variables for their environment."""

    def start(self, index: int, job: WorkerJob) -> RunningWorker:
        """Start a worker; its index is that of the worker whose place it takes, if any."""

    def collect(self) -> None:
        """Learn which workers have ended since the last call."""

    def withdraw(self) -> None:
        """Give up workers that have not begun, for which nothing is left."""

    def end(self) -> bool:
        """Let the workers that run finish their step; return whether one of them did not end by itself."""


class Supervisor:
    """Starts the workers of a pool, replaces those that die without a message, and passes signals on."""

    def __init__(self, pool: WorkerPool, engine: Engine) -> None:
        self._pool = pool
        self._engine = engine
        self._running: dict[int, RunningWorker] = {}
        self._deaths = 0
        self._epochs = 0
        self._growth = plan_growth(pool.jobs, count_cores())
        self._memory = MemoryBudget(pool.jobs[0].device) if self._growth else None
        self._next_look = 0.0

    def run(self, watch: Callable[[], None]) -> None:
        """Run until every worker has ended, calling `watch` four times a second.

        Several workers of one GPU share it by MPS where that is installed.

        Raises:
            SearchError: a worker failed with a message, or workers kept dying.
            Interrupted: a signal came; the workers have ended.
        """
        jobs = self._pool.jobs
        devices = [job.device for job in jobs]
        grows = self._growth is not None
        with self._engine.share(devices, may_grow=grows) as environment:
            jobs[:] = [replace(job, environment=environment) for job in jobs]
            try:
                self._release_dead()
                for index in range(len(jobs)):
                    self._start(index)
                while self._running:
                    self._collect()
                    self._grow()
                    watch()
                    time.sleep(POLL_SECONDS)
            finally:
                self._end()

    def _start(self, index: int) -> None:
        self._running[index] = self._engine.start(index, self._pool.jobs[index])

    def _collect(self) -> None:
        self._engine.collect()
        for index, worker in list(self._running.items()):
            code = worker.exitcode
            if code is None:
                continue
            del self._running[index]
            if code == Exit.DONE:
                self._growth = None  # the study has no trial left for another worker
                if self._pool.is_over():
                    self._engine.withdraw()
                continue
            reason = worker.read_message()
            if reason is not None and code != OUTAGE:
                raise SearchError(reason)
            if code != HUNG:  # a trial that hangs with every worker fails in the end
                self._count_death(worker.describe_end())
            self._release_dead()
            if worker.was_drained(self._pool.database.engine):
                continue
            _log.warning("a worker died (%s); a new one resumes its trial", worker.describe_end())
            self._start(index)

    def _grow(self) -> None:
        """Add workers to GPUs that gain by them."""
        growth = self._growth
        if growth is None or growth.ended or self._memory is None or time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + LOOK_SECONDS
        try:
            trained = epochs.count_epochs(self._pool.database.engine, self._pool.study_id)
        except SQLAlchemyError:
            return
        jobs = self._pool.jobs
        for job in jobs[: growth.observe(time.monotonic(), trained, self._memory.count_fitting)]:
            jobs.append(job)
            self._start(len(jobs) - 1)

    def _count_death(self, how: str) -> None:
        self._deaths = 1 if self._has_moved() else self._deaths + 1
        if self._deaths >= DEATHS_THAT_STOP * len(self._pool.jobs):
            raise SearchError(
                f"{self._deaths} workers died one after another without finishing an epoch (the last: {how}); "
                f"the machine may lack memory or have a broken GPU: try fewer --workers, or read its log"
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
        release_dead(self._pool.database.engine, self._pool.study_id)

    def _end(self) -> None:
        killed = self._engine.end()
        self._running.clear()
        if killed:
            self._release_dead()


def release_dead(engine: DatabaseEngine, study_id: int) -> None:
    """Release at once what dead workers of this machine hold, instead of waiting until their leases expire."""
    try:
        dead = workers.find_dead(engine, study_id)
        if dead:
            leases.release_workers(engine, study_id, dead)
    except SQLAlchemyError as error:
        _log.warning("the trials of dead workers wait until their leases expire (%s)", type(error).__name__)


def plan_growth(jobs: list[WorkerJob], cores: int) -> Growth | None:
    """Return how the number of workers grows, one a core at most; None if it was given, or for a CPU."""
    if any(job.device == "cpu" or job.settings.workers is not None for job in jobs):
        return None
    return Growth(limit=cores, workers=len(jobs))


def plan_jobs(job: WorkerJob, devices: list[str], count: int | None, cores: int) -> list[WorkerJob]:
    """Return one job for each worker: the devices in turn, the cores divided into threads.

    Without a count there is one worker per GPU, to begin with, or, on the CPU, one per core (eight at most).
    """
    if count is None:
        count = len(devices) if devices != ["cpu"] else min(cores, 8)
        threads = max(1, cores // count) if devices == ["cpu"] else 1
    else:
        threads = max(1, cores // count)
    return [replace(job, device=devices[index % len(devices)], threads=threads) for index in range(count)]
