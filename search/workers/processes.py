"""Worker processes, which are forked from a server that has imported torch."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from search.errors import Exit, Interrupted
from search.logs import configure, send_prints_to_stderr
from search.signals import WARNINGS, end_on_first, hurry_on_second
from search.workers.job import OUTAGE, WorkerJob
from search.workers.machine.accelerators import VISIBLE
from search.workers.machine.fork_server import start_fork_server, start_process
from storage.connecting.retry import is_outage
from storage.leasing import workers

# The time that a worker which is asked to end has to finish its step and write its state.
GRACE_SECONDS = 3.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WorkerProcess:
    """A running worker, the pipe through which it tells why it failed, and whether it gets on."""

    process: BaseProcess
    messages: Connection
    trained: ctypes.c_bool
    """Set by the worker, in memory that both share, whenever it has stored an epoch."""

    def take_trained(self) -> bool:
        """Return whether the worker has stored an epoch since the last call."""
        trained, self.trained.value = self.trained.value, False
        return trained

    @property
    def exitcode(self) -> int | None:
        """The code with which the worker has ended; None while it runs."""
        return self.process.exitcode

    def describe_end(self) -> str:
        """Return how the worker has ended, for a line of the log."""
        return f"code {self.exitcode}"

    def was_drained(self, engine: Engine) -> bool:
        """Return whether somebody had asked the worker to leave that has died: then nobody takes its place."""
        pid = self.process.pid
        try:
            return pid is not None and workers.was_asked_to_leave(engine, pid)
        except SQLAlchemyError:
            return False

    def read_message(self) -> str | None:
        """Return why the worker failed, in one sentence; None if it did not tell."""
        try:
            return str(self.messages.recv()) if self.messages.poll() else None
        except (EOFError, OSError):
            return None


def start_worker(chosen: ForkServerContext, job: WorkerJob) -> WorkerProcess:
    """Start a worker process."""
    receiver, sender = chosen.Pipe(duplex=False)
    trained = chosen.RawValue(ctypes.c_bool, False)
    process = chosen.Process(target=_main, args=(job, sender, trained), name=f"worker on {job.place}")
    start_process(process)
    sender.close()
    return WorkerProcess(process, receiver, trained)


def start_own_process(target: Callable[..., None], arguments: tuple[object, ...]) -> BaseProcess:
    """Start a process of a worker's own; it is forked from a server of the worker's, which sees no more than that."""
    process = start_fork_server().Process(target=target, args=arguments, name="rank")
    start_process(process)
    return process


def end_workers(running: Sequence[WorkerProcess]) -> bool:
    """Let workers finish their step; kill those left at a second signal or after the grace period.

    Returns:
        Whether one of them did not end by itself.
    """

    def kill() -> None:
        for worker in running:
            if worker.process.exitcode is None:
                worker.process.kill()

    for worker in running:
        worker.process.terminate()
    deadline = time.monotonic() + GRACE_SECONDS
    with hurry_on_second(kill):
        for worker in running:
            worker.process.join(max(0.0, deadline - time.monotonic()))
    kill()
    for worker in running:
        worker.process.join()
    return any(worker.process.exitcode != Exit.TERMINATED for worker in running)


def _main(job: WorkerJob, sender: Connection, trained: ctypes.c_bool) -> None:
    os.environ.update(job.environment)
    hide_other_gpus(job)
    configure()
    send_prints_to_stderr()
    _hide_test_files(job)
    if job.peers:
        start_fork_server()  # it takes seconds to import torch, so let it begin now
    os.register_at_fork(after_in_child=_restore_termination)
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C also reaches the parent, which ends its workers
        # A second signal is expected: a service manager sends one to every process, and so does the parent.
        end_on_first(WARNINGS)
        threading.Thread(target=end_with_parent, daemon=True).start()
        _work(job, sender, trained)
    except Interrupted:
        sys.exit(Exit.TERMINATED)


def hide_other_gpus(job: WorkerJob) -> None:
    """Let CUDA see the job's own devices alone, before anything starts it in this process."""
    if job.visible:
        os.environ[VISIBLE] = ",".join(job.visible)


def _hide_test_files(job: WorkerJob) -> None:
    """Do it first of all, as long as the process has one thread; where it is not possible, the seal alone must do."""
    from search.workers.machine.hidden_files import hide_test_files

    if obstacle := hide_test_files(job.settings, job.storage):
        _log.info("test files are not hidden from trials: %s", obstacle)


def _restore_termination() -> None:
    """Let SIGTERM end what an objective forks, such as a pool's processes; a worker itself defers it.

    A warning that Slurm sends to every process of a job is the worker's alone: its step still needs the others.
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)


def _work(job: WorkerJob, sender: Connection, trained: ctypes.c_bool) -> None:
    from objectives.base.device import is_broken
    from objectives.base.errors import first_line
    from search.errors.messages import user_message
    from search.workers.ranks.messages import RankLost
    from search.workers.worker import run_worker

    def note_epoch() -> None:
        trained.value = True

    try:
        code = run_worker(job, note_epoch, start_own_process)
    except Exception as error:
        _log.debug("worker failed", exc_info=True)
        if is_broken(error):
            _log.warning("a worker's GPU failed: %s", first_line(error))
            sys.exit(Exit.FAILED)  # without a message, so that a new process takes the trial over
        if isinstance(error, RankLost):
            _log.warning("a worker ends because a process of its trial did: %s", error)
            sys.exit(Exit.FAILED)
        with contextlib.suppress(OSError):
            sender.send(user_message(error))
        sys.exit(OUTAGE if is_outage(error) else Exit.FAILED)
    sys.exit(code)


def end_with_parent() -> None:
    """Wait until the process that started this one is gone; then end this one, in order if it does so soon."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(Exit.TERMINATED)
