"""The supervisor: keeps this machine's workers of a study running, and ends them together."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from search.errors import Exit, SearchError
from search.workers import processes
from search.workers.job import HUNG, OUTAGE, WorkerJob
from search.workers.machine.gpu_memory import MemoryBudget
from search.workers.machine.gpu_sharing import share_where_several
from search.workers.machine.growth import Growth
from search.workers.machine.placement import Place
from search.workers.machine.resources import count_cores
from search.workers.machine.restarts import Patience, Restarts
from search.workers.processes import WorkerProcess, end_workers
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


class Supervisor:
    """Starts the workers of a pool, replaces those that die without a message, and passes signals on."""

    def __init__(self, pool: WorkerPool, patience: Patience | None = None) -> None:
        """Plan to run a pool, with this patience with workers that die."""
        self._pool = pool
        self._context = processes.start_fork_server()
        self._running: dict[int, WorkerProcess] = {}
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
        with share_where_several(jobs, self._context, processes.start_process, may_grow=grows) as environment:
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
        self._running[index] = processes.start_worker(self._context, self._pool.jobs[index])

    def _collect(self) -> None:
        for index, worker in list(self._running.items()):
            code = worker.process.exitcode
            if code is None:
                continue
            self._note_epochs()  # before its death counts
            del self._running[index]
            if code == Exit.DONE:
                self._growth = None  # the study has no trial left for another worker
                self._restarts.hurry()  # nor, it seems, for those that wait, which see to that themselves
                continue
            reason = worker.read_message()
            if reason is not None and code != OUTAGE:
                raise SearchError(reason)
            self._release_dead()
            if not was_drained(self._pool.database.engine, worker):
                self._replace(index, code)

    def _replace(self, index: int, code: int) -> None:
        """Let a new worker take the place of one that has died, unless they keep dying there."""
        place = self._pool.jobs[index].place
        # A trial that hangs with every worker fails in the end.
        if not self._restarts.note_death(index, counts=code != HUNG):
            given_up = place in self._restarts.given_up
            another = f"one on another device than {place}" if given_up else "a new one"
            _log.warning("a worker died (code %d); %s resumes its trial", code, another)
            return
        self._growth = None
        died = (
            f"{self._restarts.given_up[place]} workers died one after another without finishing an epoch (the last "
            f"with code {code}); the machine may lack memory or have a broken GPU"
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
        """Take note of the workers that have trained."""
        for index, worker in self._running.items():
            if worker.take_trained():
                self._restarts.note_epoch(index)

    def _release_dead(self) -> None:
        release_dead(self._pool.database.engine, self._pool.study_id)

    def _end(self) -> None:
        killed = end_workers([*self._running.values()])
        self._running.clear()
        if killed:
            self._release_dead()


def was_drained(engine: Engine, worker: WorkerProcess) -> bool:
    """Return whether somebody had asked a worker to leave that has died: then nobody takes its place."""
    pid = worker.process.pid
    try:
        return pid is not None and workers.was_asked_to_leave(engine, pid)
    except SQLAlchemyError:
        return False


def release_dead(engine: Engine, study_id: int) -> None:
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
    given = any(job.settings.workers is not None or job.settings.workers_per_device is not None for job in jobs)
    if given or any(job.device == "cpu" or job.peers for job in jobs):
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
