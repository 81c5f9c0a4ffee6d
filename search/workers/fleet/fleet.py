"""The fleet: this machine's workers, each of which serves one study after another, as long as there are any."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from sqlalchemy.exc import SQLAlchemyError

from search.errors import Exit, SearchError
from search.study.serving import Served, choose_study
from search.workers.fleet.skips import Skips
from search.workers.job import DRAINED, HUNG, NOTHING_CLAIMED, OUTAGE, WorkerJob
from search.workers.machine import fork_server
from search.workers.machine.gpu_sharing import share_where_several
from search.workers.machine.restarts import Patience
from search.workers.processes import WorkerProcess, end_workers, start_worker
from search.workers.supervisor import POLL_SECONDS, release_dead
from storage.database import Database
from storage.leasing import services, workers
from storage.records import queue
from storage.records.queue import OpenStudy

LOOK_SECONDS = 3.0
"""Time between two looks for work while there is none, and between two at which workers were sent away."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Serving:
    """A worker and the study that it serves."""

    study: OpenStudy
    worker: WorkerProcess


class Fleet:
    """Gives each worker of a machine a study, and another one when that has no more work for it."""

    def __init__(
        self,
        database: Database,
        jobs: list[WorkerJob],
        served: Served,
        *,
        once: bool,
        tell: Callable[[str], None],
        patience: Patience | None = None,
    ) -> None:
        """Plan workers.

        Args:
            jobs: One for each worker, which gets its study when it starts.
            served: What this machine may run.
            once: Whether to end when no study is left.
            tell: Called with a sentence when the first worker turns to a study.
            patience: With workers that die.
        """
        self._database = database
        self._names = [workers.new_worker_id() for _ in jobs]
        self._jobs = {
            index: replace(job, name=workers.abbreviate(self._names[index])) for index, job in enumerate(jobs)
        }
        self._served = served
        self._once = once
        self._tell = tell
        self._patience = patience or Patience()
        self._context = fork_server.start_fork_server()
        self._running: dict[int, Serving] = {}
        self._skips = Skips()
        self._deaths: Counter[tuple[int, str]] = Counter()
        self._in_a_row: Counter[int] = Counter()
        self._rests: dict[int, float] = {}
        """Until when workers that died wait, by the clock."""
        self._left_out: set[str] = set()
        self._begun: set[int] = set()
        self._next_look = 0.0
        self._found: set[int] | None = None
        self._open: set[int] = set()
        self._next_beat = 0.0
        self._leaving: dict[int, str] = {}
        """How workers were asked to leave."""

    def run(self) -> None:
        """Serve until every worker was asked to leave; with `once`, until there is nothing left.

        Raises:
            SearchError: nothing is left but studies that cannot be served here.
            Interrupted: a signal came; the workers have ended.
        """
        jobs = [*self._jobs.values()]
        with share_where_several(jobs, self._context, fork_server.start_process) as environment:
            self._jobs = {
                index: replace(job, environment={**job.environment, **environment}) for index, job in self._jobs.items()
            }
            try:
                services.remove_dead(self._database.engine)
                while self._jobs and not (self._once and self._is_done()):
                    self._collect()
                    if time.monotonic() >= self._next_beat:
                        self._beat()
                    self._look()
                    time.sleep(POLL_SECONDS)
            finally:
                self._sign_off(*self._jobs)
                if end_workers([serving.worker for serving in self._running.values()]):
                    self._release_dead({serving.study.study_id for serving in self._running.values()})
        self._raise_reasons()

    def _beat(self) -> None:
        """Show this service's workers, and pass on that they were asked to leave: a process may not have been there."""
        self._next_beat = time.monotonic() + LOOK_SECONDS
        engine = self._database.engine
        with suppress(SQLAlchemyError):  # the storage is unreachable: the next beat tries again
            asked = services.show(engine, [self._names[index] for index in self._jobs])
            self._leaving |= {index: asked[name] for index, name in enumerate(self._names) if name in asked}
            for index, how in self._leaving.items():
                pid = self._running[index].worker.process.pid if index in self._running else None
                if pid is not None:
                    services.ask_process_to_leave(engine, pid, how)

    def _send_away(self, index: int) -> None:
        """Give a worker no further study."""
        del self._jobs[index]
        self._sign_off(index)

    def _sign_off(self, *indices: int) -> None:
        with suppress(SQLAlchemyError):
            for index in indices:
                workers.leave(self._database.engine, self._names[index])

    def _look(self) -> None:
        """Give studies to workers without one."""
        now = time.monotonic()
        free = [index for index in self._jobs if index not in self._running and self._rests.get(index, now) <= now]
        if not free or now < self._next_look:
            return
        self._next_look = time.monotonic() + LOOK_SECONDS
        try:
            found = queue.list_open(self._database.engine, self._jobs[free[0]].settings.lease_seconds)
        except SQLAlchemyError as error:
            _log.warning("the storage cannot be reached (%s); looking again", type(error).__name__)
            return
        self._tell_left_out(found)
        self._open = {study.study_id for study in found}
        served = {job.place: self._served_now(job.place).select(found) for job in self._jobs.values()}
        self._found = {study.study_id for some in served.values() for study in some}
        self._beat()
        for index in free:
            if index in self._leaving:
                self._send_away(index)
                continue
            running = Counter(one.study.study_id for one in self._running.values())
            study = choose_study(served[self._jobs[index].place], running)
            if study is not None:
                self._start(index, study)

    def _served_now(self, place: str) -> Served:
        return replace(self._served, skipped=self._skips.find(place))

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
        served = self._served_now(self._jobs[index].place)
        job = replace(self._jobs[index], study=study.name, objective=served.find_objective(study), served=served)
        self._running[index] = Serving(study=study, worker=start_worker(self._context, job))

    def _collect(self) -> None:
        for index, serving in list(self._running.items()):
            code = serving.worker.process.exitcode
            if code is not None:
                del self._running[index]
                self._next_look = 0.0
                self._note_end(index, serving, code)

    def _note_end(self, index: int, serving: Serving, code: int) -> None:
        study, place = serving.study, self._jobs[index].place
        if code in (Exit.DONE, DRAINED):
            self._skips.remove(study, place)
            self._deaths.pop((study.study_id, place), None)
            self._in_a_row.pop(index, None)
            if code == DRAINED:
                self._send_away(index)
            return
        reason = serving.worker.read_message()
        if code == NOTHING_CLAIMED:
            self._skips.add(study, None)
        elif reason is not None and code != OUTAGE:
            self._skips.add(study, reason)
        else:
            self._note_death(index, serving, code)

    def _note_death(self, index: int, serving: Serving, code: int) -> None:
        study, place = serving.study, self._jobs[index].place
        _log.warning("a worker of study %r died (code %d); another one resumes its trial", study.name, code)
        self._release_dead({study.study_id})
        if serving.worker.was_drained(self._database.engine):
            self._send_away(index)
        if code in (HUNG, OUTAGE):
            return
        self._in_a_row[index] += 1
        self._rests[index] = time.monotonic() + self._patience.wait_after(self._in_a_row[index])
        self._deaths[study.study_id, place] += 1
        if self._deaths[study.study_id, place] >= self._patience.deaths:
            reason = f"{self._patience.deaths} workers died one after another (the last with code {code})"
            self._skips.add(study, reason, place)

    def _release_dead(self, studies: set[int]) -> None:
        for study_id in studies:
            release_dead(self._database.engine, study_id)

    def _is_done(self) -> bool:
        """Return whether no worker runs and the last look has found no study but those that cannot be served here."""
        if self._running or self._found is None or self._next_look == 0:
            return False
        return not self._found and not self._skips.expect_more

    def _raise_reasons(self) -> None:
        reasons = self._skips.list_reasons(self._open)
        if reasons:
            raise SearchError(f"{len(reasons)} studies could not be served here; the last one: {reasons[-1]}")
