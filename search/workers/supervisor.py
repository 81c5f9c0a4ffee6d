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
from search.workers.job import HUNG, OUTAGE, WorkerJob
from search.workers.machine.gpu_memory import MemoryBudget
from search.workers.machine.growth import Growth
from search.workers.machine.placement import Place, WorkerCount
from search.workers.machine.resources import count_cores
from search.workers.machine.restarts import Patience, Restarts
from storage.database import Database
from storage.leasing import leases, workers
from storage.records import epochs

POLL_SECONDS = 0.25
LOOK_SECONDS = 1.0
"""Time between two looks at whether a GPU gains by more workers."""

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

    def take_trained(self) -> bool | None:
        """Return whether the worker has stored an epoch since the last call; None if it does not tell."""

    def read_message(self) -> str | None:
        """Return why the worker failed, in one sentence; None if it did not tell."""

    def was_drained(self, engine: DatabaseEngine) -> bool:
        """Return whether somebody had asked the worker to leave that has died: then nobody takes its place."""


class Engine(Protocol):
    """What starts a supervisor's workers: processes of this machine, or of a cluster's machines."""

    def share(self, jobs: Sequence[WorkerJob], *, may_grow: bool) -> AbstractContextManager[Mapping[str, str]]:
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

    def __init__(self, pool: WorkerPool, engine: Engine, patience: Patience | None = None) -> None:
        """Plan to run a pool, with this patience with workers that die."""
        self._pool = pool
        self._engine = engine
        self._running: dict[int, RunningWorker] = {}
        self._epochs = 0
        self._restarts = Restarts([job.place for job in pool.jobs], patience)
        self._growth = plan_growth(pool.jobs, count_cores())
        self._memory = MemoryBudget([name for job in pool.jobs for name in job.visible]) if self._growth else None
        self._next_look = 0.0

    @property
    def waiting(self) -> bool:
        """Whether no worker runs because all wait to be started again."""
        return not self._running and self._restarts.waiting

    def run(self, watch: Callable[[], None]) -> None:
        """Run until every worker has ended, calling `watch` four times a second.

        Several workers of one GPU share it by MPS where that is installed.

        Raises:
            SearchError: a worker failed with a message, or workers kept dying on every device.
            Interrupted: a signal came; the workers have ended.
        """
        jobs = self._pool.jobs
        grows = self._growth is not None
        with self._engine.share(jobs, may_grow=grows) as environment:
            jobs[:] = [replace(job, environment={**job.environment, **environment}) for job in jobs]
            try:
                self._release_dead()
                for index in range(len(jobs)):
                    self._start(index)
                while self._running or self._restarts.waiting:
                    self._collect()
                    self._grow()
                    for index in self._restarts.take_due():
                        self._start(index)
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
            self._note_epochs()  # before its death counts
            del self._running[index]
            if code == Exit.DONE:
                self._growth = None  # the study has no trial left for another worker
                self._restarts.hurry()  # nor, it seems, for those that wait, which see to that themselves
                if self._pool.is_over():
                    self._engine.withdraw()
                continue
            reason = worker.read_message()
            if reason is not None and code != OUTAGE:
                raise SearchError(reason)
            self._release_dead()
            if not worker.was_drained(self._pool.database.engine):
                self._replace(index, worker)

    def _replace(self, index: int, worker: RunningWorker) -> None:
        """Let a new worker take the place of one that has died, unless they keep dying there."""
        place, how = self._pool.jobs[index].place, worker.describe_end()
        # A trial that hangs with every worker fails in the end.
        if not self._restarts.note_death(index, counts=worker.exitcode != HUNG):
            given_up = place in self._restarts.given_up
            another = f"one on another device than {place}" if given_up else "a new one"
            _log.warning("a worker died (%s); %s resumes its trial", how, another)
            return
        self._growth = None
        died = (
            f"{self._restarts.given_up[place]} workers died one after another without finishing an epoch (the last: "
            f"{how}); the machine may lack memory or have a broken GPU"
        )
        if not self._restarts.places:
            raise SearchError(f"{died}: try fewer --workers, or read its log")
        _log.warning("%s is given up, and the others go on: there, %s", place, died)

    def _grow(self) -> None:
        """Add workers to GPUs, the same number to each, while that pays."""
        growth, memory = self._growth, self._memory
        if growth is None or growth.ended or memory is None or time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + LOOK_SECONDS
        try:
            trained = epochs.count_epochs(self._pool.database.engine, self._pool.study_id)
        except SQLAlchemyError:
            return
        jobs = self._pool.jobs
        first = {job.place: job for job in reversed(jobs)}
        for _ in range(growth.observe(time.monotonic(), trained, memory.count_fitting)):
            for job in reversed(first.values()):
                jobs.append(job)
                self._restarts.add(job.place)
                self._start(len(jobs) - 1)

    def _note_epochs(self) -> None:
        """Take note of the workers that have trained: where they do not tell, of all, if the study has new epochs."""
        told = {index: worker.take_trained() for index, worker in self._running.items()}
        moved = None in told.values() and self._has_moved()
        for index, trained in told.items():
            if trained or (trained is None and moved):
                self._restarts.note_epoch(index)

    def _has_moved(self) -> bool:
        """Return whether an epoch of the study was stored since the last call."""
        before = self._epochs
        try:
            self._epochs = epochs.count_epochs(self._pool.database.engine, self._pool.study_id)
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
    """Return how the number of workers on each GPU grows, one a core at most.

    Returns:
        None if their number was given, for a CPU, or where a trial trains on several devices, which it fills.
    """
    if any(WorkerCount.of(job.settings).is_given or job.device == "cpu" or job.peers for job in jobs):
        return None
    devices = len({job.place for job in jobs})
    return Growth(limit=max(1, cores // devices), workers=1, devices=devices)


def plan_jobs(job: WorkerJob, places: Sequence[Place]) -> list[WorkerJob]:
    """Return a job like `job` for each place."""
    return [
        replace(
            job,
            device=place.devices[0].name,
            peers=tuple(device.name for device in place.devices[1:]),
            visible=place.visible,
            threads=place.threads,
        )
        for place in places
    ]
