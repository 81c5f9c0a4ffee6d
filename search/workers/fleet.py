"""The fleet: this machine's workers, each of which serves one study after another, as long as there are any."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy.exc import SQLAlchemyError

from search.errors import Exit, SearchError
from search.study.serving import Served, choose_study
from search.workers import processes
from search.workers.job import DRAINED, HUNG, NOTHING_CLAIMED, OUTAGE, WorkerJob
from search.workers.machine.gpu_sharing import share_where_several
from search.workers.processes import WorkerProcess, end_workers
from search.workers.supervisor import DEATHS_THAT_STOP, POLL_SECONDS, release_dead, was_drained
from storage.database import Database
from storage.records import queue
from storage.records.queue import OpenStudy

LOOK_SECONDS = 3.0
"""Time between two looks for work while there is none."""
FIRST_SKIP_SECONDS, LONGEST_SKIP_SECONDS = 5.0, 600.0
"""How long a study is left out after it could not be served here; twice as long each time."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Serving:
    """A worker and the study that it serves."""

    study: OpenStudy
    worker: WorkerProcess


@dataclass(frozen=True, kw_only=True)
class Skip:
    """A study that is left out until a moment of this machine's clock."""

    until: float
    seconds: float
    reason: str | None
    """Why it cannot be served here; None if a worker only found nothing to do."""


class Fleet:
    """Gives each worker of a machine a study, and another one when that has no more work for it."""

    def __init__(
        self, database: Database, jobs: list[WorkerJob], served: Served, *, once: bool, tell: Callable[[str], None]
    ) -> None:
        """Plan workers.

        Args:
            jobs: One for each worker; whoever starts it fills in its study.
            served: What this machine may run.
            once: Whether to end when no study is left.
            tell: Called with a sentence when the first worker turns to a study.
        """
        self._database = database
        self._jobs = dict(enumerate(jobs))
        self._served = served
        self._once = once
        self._tell = tell
        self._context = processes.start_fork_server()
        self._running: dict[int, Serving] = {}
        self._skips: dict[int, Skip] = {}
        self._deaths: Counter[int] = Counter()
        self._left_out: set[str] = set()
        self._begun: set[int] = set()
        self._next_look = 0.0
        self._found: list[OpenStudy] | None = None

    def run(self) -> None:
        """Serve until every worker was asked to leave; with `once`, until there is nothing left.

        Raises:
            SearchError: nothing is left but studies that cannot be served here.
            Interrupted: a signal came; the workers have ended.
        """
        devices = [job.device for job in self._jobs.values()]
        with share_where_several(devices, self._context, processes.start_process) as environment:
            self._jobs = {index: replace(job, environment=environment) for index, job in self._jobs.items()}
            try:
                while self._jobs and not (self._once and self._is_done()):
                    self._collect()
                    self._look()
                    time.sleep(POLL_SECONDS)
            finally:
                if end_workers([serving.worker for serving in self._running.values()]):
                    self._release_dead({serving.study.study_id for serving in self._running.values()})
        self._raise_reasons()

    def _look(self) -> None:
        """Give studies to workers without one."""
        free = [index for index in self._jobs if index not in self._running]
        if not free or time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + LOOK_SECONDS
        try:
            found = queue.list_open(self._database.engine, self._jobs[free[0]].settings.lease_seconds)
        except SQLAlchemyError as error:
            _log.warning("the storage cannot be reached (%s); looking again", type(error).__name__)
            return
        self._tell_left_out(found)
        self._found = self._served_now().select(found)
        for index in free:
            study = choose_study(self._found, Counter(one.study.study_id for one in self._running.values()))
            if study is not None:
                self._start(index, study)

    def _served_now(self) -> Served:
        now = time.monotonic()
        return replace(self._served, skipped=frozenset(k for k, skip in self._skips.items() if skip.until > now))

    def _tell_left_out(self, found: list[OpenStudy]) -> None:
        for study in found:
            if study.name not in self._left_out and self._served.find_objective(study) is None:
                self._left_out.add(study.name)
                _log.warning(
                    "study %r is left out: its objective %r is not installed here, and no file of --allow is the one "
                    "that it was created with",
                    *(study.name, study.objective),
                )

    def _start(self, index: int, study: OpenStudy) -> None:
        if study.study_id not in self._begun:
            self._begun.add(study.study_id)
            self._tell(f"training study {study.name!r}")
        served = self._served_now()
        job = replace(self._jobs[index], study=study.name, objective=served.find_objective(study), served=served)
        self._running[index] = Serving(study=study, worker=processes.start_worker(self._context, job))

    def _collect(self) -> None:
        for index, serving in list(self._running.items()):
            code = serving.worker.process.exitcode
            if code is not None:
                del self._running[index]
                self._next_look = 0.0
                self._note_end(index, serving, code)

    def _note_end(self, index: int, serving: Serving, code: int) -> None:
        study = serving.study
        if code in (Exit.DONE, DRAINED):
            self._skips.pop(study.study_id, None)
            self._deaths.pop(study.study_id, None)
            if code == DRAINED:
                del self._jobs[index]
            return
        reason = serving.worker.read_message()
        if code == NOTHING_CLAIMED:
            self._skip(study, None)
        elif reason is not None and code != OUTAGE:
            self._skip(study, reason)
        else:
            _log.warning("a worker of study %r died (code %d); another one resumes its trial", study.name, code)
            self._release_dead({study.study_id})
            if was_drained(self._database.engine, serving.worker):
                del self._jobs[index]
            self._deaths[study.study_id] += code not in (HUNG, OUTAGE)
            if self._deaths[study.study_id] >= DEATHS_THAT_STOP:
                self._skip(study, f"{DEATHS_THAT_STOP} workers died one after another (the last with code {code})")

    def _skip(self, study: OpenStudy, reason: str | None) -> None:
        before = self._skips.get(study.study_id)
        seconds = FIRST_SKIP_SECONDS if before is None else min(2 * before.seconds, LONGEST_SKIP_SECONDS)
        seconds = seconds if reason is not None else FIRST_SKIP_SECONDS
        self._skips[study.study_id] = Skip(until=time.monotonic() + seconds, seconds=seconds, reason=reason)
        if reason is not None:
            _log.warning("study %r is left out for %.0f s: %s", study.name, seconds, reason)

    def _release_dead(self, studies: set[int]) -> None:
        for study_id in studies:
            release_dead(self._database.engine, study_id)

    def _is_done(self) -> bool:
        """Return whether no worker runs and the last look has found no study but those that cannot be served here."""
        if self._running or self._found is None or self._next_look == 0:
            return False
        # Where a worker found nothing just now, something may be left later.
        waits = [skip for skip in self._skips.values() if skip.reason is None and skip.until > time.monotonic()]
        return not self._found and not waits

    def _raise_reasons(self) -> None:
        reasons = [skip.reason for skip in self._skips.values() if skip.reason is not None]
        if reasons:
            raise SearchError(f"{len(reasons)} studies could not be served here; the last one: {reasons[-1]}")
