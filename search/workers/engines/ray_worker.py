"""What a Ray actor does: it runs one ordinary worker, in a process below its own.

Seal, signals, exit codes and the way in which a worker ends are then those of a worker on any machine.
"""

from __future__ import annotations

import logging
import socket
import threading
from importlib.metadata import version

from search.errors import Exit, SearchError
from search.errors.messages import user_message
from search.logs import configure
from search.workers import processes
from search.workers.engines.orders import Outcome, WorkerTask, build_job
from search.workers.job import WorkerJob
from search.workers.machine import fork_server
from search.workers.processes import WorkerProcess
from search.workers.supervisor import release_dead
from storage import url
from storage.database import open_database
from storage.records import studies

DISTRIBUTION = "depthsearch"

_log = logging.getLogger(__name__)


class RayWorker:
    """A place for one worker at a time; its methods may be called from several threads."""

    def __init__(self) -> None:
        configure()
        self._context = fork_server.start_fork_server()  # importing torch takes seconds, so let it begin now
        self._starting = threading.Lock()
        self._worker: WorkerProcess | None = None
        self._ends = False

    def describe(self) -> tuple[str, str]:
        """Return the program's version on this machine, and the machine's name."""
        return version(DISTRIBUTION), socket.gethostname()

    def run(self, task: WorkerTask) -> Outcome:
        """Run a worker to its end; one that runs already is waited for, as after a broken connection.

        Returns:
            How it has ended. What keeps it from starting on this machine is a reason, too.
        """
        try:
            job = build_job(task)
            with self._starting:
                if self._ends:
                    return Outcome(code=Exit.TERMINATED)
                if self._worker is None:
                    settle_dead(job)
                    self._worker = processes.start_worker(self._context, job)
                worker = self._worker
            worker.process.join()
            self._worker = None
            return describe_outcome(job, worker)
        except SearchError as error:
            return Outcome(code=Exit.FAILED, reason=user_message(error), place=socket.gethostname())

    def end(self) -> None:
        """Let the worker finish its step and release its trial; `run` returns then."""
        with self._starting:
            self._ends = True
            worker = self._worker
        if worker is not None:
            processes.end_workers([worker])


def describe_outcome(job: WorkerJob, worker: WorkerProcess) -> Outcome:
    """Return how a worker has ended; if it died, release what it held and look whether it had been asked to leave."""
    code = worker.exitcode
    assert code is not None, "the worker has ended"
    died = code not in (Exit.DONE, Exit.TERMINATED)
    return Outcome(
        code=code, reason=worker.read_message(), drained=died and settle_dead(job, worker), place=socket.gethostname()
    )


def settle_dead(job: WorkerJob, worker: WorkerProcess | None = None) -> bool:
    """Release what dead workers of this machine hold; return whether `worker` had been asked to leave.

    It saves the time until leases expire, and is left out if the storage cannot be reached.
    """
    try:
        with open_database(url.parse(job.storage)) as database:
            release_dead(database.engine, studies.get(database.engine, job.study).study_id)
            return worker is not None and worker.was_drained(database.engine)
    except Exception as error:
        _log.warning("the trials of dead workers wait until their leases expire (%s)", type(error).__name__)
        return False
