"""A server that has imported torch, from which processes are forked, so that the parent itself never imports it."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from multiprocessing.forkserver import ensure_running
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import TypeVar, cast

from search.errors import SearchError, UsageError
from search.signals import ignore_signals
from search.workers.machine.sockets import use_socket_folder

A = TypeVar("A")
R = TypeVar("R")

_starting = threading.Lock()


def start_fork_server() -> ForkServerContext:
    """Start the fork server unless it runs, and return its context."""
    chosen = multiprocessing.get_context("forkserver")
    chosen.set_forkserver_preload(["search.workers.preload"])
    # Started with these signals ignored: a signal to the whole group must not end the server before the workers,
    # because it alone learns when they end; and Ctrl-C would print a traceback while it imports torch.
    with safe_path(), ignore_signals(), use_socket_folder():
        ensure_running()
    return chosen


@contextlib.contextmanager
def safe_path() -> Iterator[None]:
    """Keep an interpreter that is started in the block from importing a `search` of the user's working folder."""
    before = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONSAFEPATH"]


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


def call_in_process(chosen: ForkServerContext, function: Callable[[A], R], argument: A) -> R:
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
    return cast(R, answer)


def _send_answer(function: Callable[[A], object], argument: A, sender: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    answer: tuple[bool, object]
    try:
        answer = (True, function(argument))
    except Exception as error:
        answer = (False, str(error))
    with contextlib.suppress(OSError):  # the caller may have ended with an error meanwhile
        sender.send(answer)
