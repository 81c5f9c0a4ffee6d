"""Worker processes: forked from a preloaded server, so that the parent itself never imports torch."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from multiprocessing.forkserver import ensure_running
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any

from search.errors import Exit, Interrupted, SearchError, UsageError
from search.logs import configure, send_prints_to_stderr
from search.signals import WARNINGS, end_on_first, hurry_on_second, ignore_signals
from search.workers.job import OUTAGE, WorkerJob
from search.workers.machine.sockets import use_socket_folder
from storage.connecting.retry import is_outage

# The time that a worker which is asked to end has to finish its step and write its state.
GRACE_SECONDS = 3.0

_log = logging.getLogger(__name__)
_starting = threading.Lock()


def start_fork_server() -> ForkServerContext:
    """Start the fork server unless it runs, and return its context.

    `PYTHONSAFEPATH` keeps a folder called `search` in the user's working folder from being imported instead of ours.
    """
    chosen = multiprocessing.get_context("forkserver")
    chosen.set_forkserver_preload(["search.workers.preload"])
    safe_path = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        # Started with these signals ignored: a signal to the whole group must not end the server before the workers,
        # because it alone learns when they end; and Ctrl-C would print a traceback while it imports torch.
        with ignore_signals(), use_socket_folder():
            ensure_running()
    finally:
        if safe_path is None:
            del os.environ["PYTHONSAFEPATH"]
    return chosen


@dataclass(frozen=True)
class WorkerProcess:
    """A running worker, and the pipe through which it tells why it failed."""

    process: BaseProcess
    messages: Connection

    def read_message(self) -> str | None:
        """Return why the worker failed, in one sentence; None if it did not tell."""
        try:
            return str(self.messages.recv()) if self.messages.poll() else None
        except (EOFError, OSError):
            return None


def start_worker(chosen: ForkServerContext, job: WorkerJob) -> WorkerProcess:
    """Start a worker process."""
    receiver, sender = chosen.Pipe(duplex=False)
    process = chosen.Process(target=_main, args=(job, sender), name=f"worker on {job.device}")
    start_process(process)
    sender.close()
    return WorkerProcess(process, receiver)


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


def start_process(process: BaseProcess) -> None:
    """Start a process that does not import the caller's script.

    Raises:
        SearchError: the fork server has died, or could not be started.
    """
    with hidden_main():
        try:
            process.start()
        except (EOFError, OSError) as error:
            raise SearchError(
                f"the process that starts workers does not answer ({type(error).__name__}: {error}); check that "
                f"{sys.executable} can be run and that the machine has memory left, then run the same command again"
            ) from error


@contextlib.contextmanager
def hidden_main() -> Iterator[None]:
    """Keep a process that is started in the block from importing the caller's script, which would run it again.

    `multiprocessing` makes every new process import the file of the module `__main__`; no process here needs it.
    """
    with _starting:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main


def call_in_process(chosen: ForkServerContext, function: Callable[[str], Any], argument: str) -> Any:
    """Call a function that needs torch in a new process, and return what it returns.

    Raises:
        UsageError: the function raised an exception, whose message this is.
        SearchError: the process died.
    """
    receiver, sender = chosen.Pipe(duplex=False)
    process = chosen.Process(target=_send_answer, args=(function, argument, sender), daemon=True)
    start_process(process)
    sender.close()
    try:
        succeeded, answer = receiver.recv()
    except EOFError:
        raise SearchError("a helper process ended without an answer; run `search doctor`") from None
    finally:
        process.join()
        receiver.close()
    if not succeeded:
        raise UsageError(answer)
    return answer


def _send_answer(function: Callable[[str], Any], argument: str, sender: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        answer = (True, function(argument))
    except Exception as error:
        answer = (False, str(error))
    with contextlib.suppress(OSError):  # the caller may have ended with an error meanwhile
        sender.send(answer)


def _main(job: WorkerJob, sender: Connection) -> None:
    os.environ.update(job.environment)
    configure()
    send_prints_to_stderr()
    _hide_test_files(job)
    os.register_at_fork(after_in_child=_restore_termination)
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C also reaches the parent, which ends its workers
        # A second signal is expected: a service manager sends one to every process, and so does the parent.
        end_on_first(WARNINGS)
        threading.Thread(target=end_with_parent, daemon=True).start()
        _work(job, sender)
    except Interrupted:
        sys.exit(Exit.TERMINATED)


def _hide_test_files(job: WorkerJob) -> None:
    """Do it first of all, as long as the process has one thread; where it is not possible, the seal alone must do."""
    from search.workers.hidden_files import hide_test_files

    if obstacle := hide_test_files(job.settings, job.storage):
        _log.info("test files are not hidden from trials: %s", obstacle)


def _restore_termination() -> None:
    """Let SIGTERM end what an objective forks, such as a pool's processes; a worker itself defers it.

    A warning that Slurm sends to every process of a job is the worker's alone: its step still needs the others.
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)


def _work(job: WorkerJob, sender: Connection) -> None:
    from objectives.base.device import is_broken
    from objectives.base.errors import first_line
    from search.errors.messages import user_message
    from search.workers.worker import run_worker

    try:
        code = run_worker(job)
    except Exception as error:
        _log.debug("worker failed", exc_info=True)
        if is_broken(error):
            _log.warning("a worker's GPU failed: %s", first_line(error))
            sys.exit(Exit.FAILED)  # without a message, so that a new process takes the trial over
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
