"""The supervisor: keeps this machine's workers of a study running, and ends them together."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from search.errors import Exit, SearchError, UsageError
from search.workers import processes
from search.workers.devices import count_cores
from search.workers.job import HUNG, OUTAGE, WorkerJob
from search.workers.machine.gpu_memory import MemoryBudget
from search.workers.machine.gpu_sharing import share_where_several
from search.workers.machine.growth import Growth
from search.workers.processes import WorkerProcess, end_workers
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


class Supervisor:
    """Starts the workers of a pool, replaces those that die without a message, and passes signals on."""

    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool
        self._context = processes.start_fork_server()
        self._running: dict[int, WorkerProcess] = {}
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
        with share_where_several(devices, self._context, processes.start_process, may_grow=grows) as environment:
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
        self._running[index] = processes.start_worker(self._context, self._pool.jobs[index])

    def _collect(self) -> None:
        for index, worker in list(self._running.items()):
            code = worker.process.exitcode
            if code is None:
                continue
            del self._running[index]
            if code == Exit.DONE:
                self._growth = None  # the study has no trial left for another worker
                continue
            reason = worker.read_message()
            if reason is not None and code != OUTAGE:
                raise SearchError(reason)
            if code != HUNG:  # a trial that hangs with every worker fails in the end
                self._count_death(code)
            self._release_dead()
            if was_drained(self._pool.database.engine, worker):
                continue
            _log.warning("a worker died (code %d); a new one resumes its trial", code)
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
    """Return how the number of workers grows, one a core at most; None if it was given, or for a CPU."""
    if any(job.device == "cpu" or job.peers or job.settings.workers is not None for job in jobs):
        return None
    return Growth(limit=cores, workers=len(jobs))


def plan_jobs(
    job: WorkerJob, devices: list[str], count: int | None, cores: int, devices_per_trial: int = 1
) -> list[WorkerJob]:
    """Return one job for each worker: the devices in turn, as many for each as a trial needs; cores become threads.

    Without a count there is one worker per GPU, to begin with, or, on the CPU, one per core (eight at most). A CPU is
    as many devices as a trial needs.

    Raises:
        UsageError: there are fewer devices than a trial needs.
    """
    n = devices_per_trial
    if set(devices) == {"cpu"}:
        places, most = [("cpu",) * n], max(1, min(cores, 8) // n)
    else:
        places = [tuple(devices[start : start + n]) for start in range(0, len(devices) - n + 1, n)]
        most = len(places)
    if not places:
        raise UsageError(
            f"each trial of this study trains on {n} devices, but there are only {', '.join(devices)}; give it "
            "--device all on a machine with more GPUs, or set `devices` of the objective to fewer in a new study"
        )
    on_cpu, workers = places[0][0] == "cpu", most if count is None else count
    threads = max(1, cores // (workers * n)) if on_cpu or count is not None else 1
    chosen = [places[index % len(places)] for index in range(workers)]
    return [replace(job, device=first, peers=tuple(peers), threads=threads) for first, *peers in chosen]
