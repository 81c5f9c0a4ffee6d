"""A process that has imported everything once, and forks a ready interpreter for each command of the tests.

Run as a program, with the number of an inherited socket that listens. What it forks is a process like any other: a
session, an environment, a folder and an exit of its own; only the imports are done already. The fork server of a
command is forked from the command for the same reason, and so it stands in the command's process group, as a started
one does.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import json
import multiprocessing.util
import os
import pkgutil
import runpy
import select
import shutil
import signal
import socket
import struct
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

OURS = ("spaces", "objectives", "storage", "search")
# They import packages that may not be installed, in processes of their own.
OPTIONAL = tuple(f"search.export.trackers.{name}" for name in ("mlflow", "tensorboard", "trackio", "wandb"))
# What functions import when they are called.
LATE = (
    "alembic.command",
    "alembic.migration",
    "psycopg2.extras",
    "sklearn.datasets",
    "sqlalchemy.dialects.postgresql.psycopg2",
    "torch._dynamo",
    "torchmetrics",
)
NUMBER = struct.Struct("!i")
LARGEST_REQUEST_BYTES = 2**17
CLONE_NEWUTS = 0x04000000
MADV_COLLAPSE = 25
FORK_SERVER = "from multiprocessing.forkserver import main; "

_spawn = multiprocessing.util.spawnv_passfds
_has_forked = False


@dataclass(frozen=True, kw_only=True)
class Request:
    """A command: the module, or the script, to run as a program, and what the process has."""

    module: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: str
    cores: Sequence[int] | None = None
    host: str | None = None


def main(listener: socket.socket) -> None:
    """Serve until the tests have ended; in each process that is forked, run the command that was asked for."""
    _import_all()
    # The libraries' threads hold none of the locks that a child needs: production forks from such a process, too.
    warnings.filterwarnings("ignore", message=".*multi-threaded.*fork", category=DeprecationWarning)
    request = _serve(listener)
    if request is None:
        shutil.rmtree(Path(listener.getsockname()).parent)
    else:
        multiprocessing.util.spawnv_passfds = _fork_fork_server
        _end(_run(request.module))


def _run(module: str) -> int:
    """Run a module or a script as a program and return its exit code as the interpreter finds it, or minus a signal."""
    try:
        if module.endswith(".py"):
            runpy.run_path(module, run_name="__main__")
        else:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return error.code or 0
        print(error.code, file=sys.stderr)
        return 1
    except BaseException as error:
        traceback.print_exc()
        return -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    return 0


def _end(code: int) -> NoReturn:
    """End as the interpreter does, except that modules are not taken down one by one, which takes 0.4 s."""
    threading._shutdown()
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
    except OSError:
        code = 120
    sys.stderr.flush()
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def _import_all() -> None:
    gc.disable()
    for package in map(importlib.import_module, OURS):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__") and module.name not in OPTIONAL:
                importlib.import_module(module.name)
    for name in LATE:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    gc.enable()
    _use_huge_pages()


def _use_huge_pages() -> None:
    """Merge what is in memory into pages of 2 MiB, where Linux can: a fork then takes a third less time."""
    try:
        lines = Path("/proc/self/maps").read_text().splitlines()
    except FileNotFoundError:
        return
    libc = ctypes.CDLL(None)
    for span, mode, _, _, inode, *_ in map(str.split, lines):
        if (mode, inode) == ("rw-p", "0"):
            begin, end = (int(address, 16) for address in span.split("-"))
            libc.madvise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), MADV_COLLAPSE)


def _serve(listener: socket.socket) -> Request | None:
    """Return None when all who have connected are gone, and the request in the process that was forked to answer it."""
    ends, woken = os.pipe()
    for fd in (ends, woken):
        os.set_blocking(fd, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken)
    waiting: dict[int, int] = {}
    connections = [listener.accept()[0]]
    while connections:
        for ready in select.select([ends, listener, *connections], [], [])[0]:
            if ready == ends:
                os.read(ends, LARGEST_REQUEST_BYTES)
                _tell_ends(waiting)
                continue
            if ready == listener:
                connections.append(listener.accept()[0])
                continue
            content, fds, _, _ = socket.recv_fds(ready, LARGEST_REQUEST_BYTES, 3)
            if not content:
                connections.remove(ready)
                ready.close()
                continue
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for inherited in (listener, *connections):
                    inherited.close()
                for fd in (ends, woken, *waiting.values()):
                    os.close(fd)
                return _become(Request(**json.loads(content)), *fds)
            *outputs, waiting[pid] = fds
            for fd in outputs:
                os.close(fd)
    return None


def _tell_ends(waiting: dict[int, int]) -> None:
    """Write the exit codes of the processes that have ended to those who wait for them."""
    while waiting:
        pid, code = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        status = waiting.pop(pid)
        _tell(status, os.waitstatus_to_exitcode(code))
        os.close(status)


def _tell(status: int, number: int) -> None:
    with suppress(BrokenPipeError):  # nobody waits any more
        os.write(status, NUMBER.pack(number))


def _become(request: Request, out: int, err: int, status: int) -> Request:
    os.setsid()
    _tell(status, os.getpid())  # only now can the whole group be signalled
    os.close(status)
    for fd, place in ((out, 1), (err, 2)):
        os.dup2(fd, place)
        os.close(fd)
    if request.cores is not None:
        os.sched_setaffinity(0, request.cores)
    if request.host is not None:
        _unshare_host_name()
        socket.sethostname(request.host)
    os.chdir(request.folder)
    added = find_added(os.environ, request.environment)
    os.environ.clear()
    os.environ.update(request.environment)
    time.tzset()
    sys.path[:0] = added
    sys.argv[1:] = request.arguments
    return request


def find_added(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Return the folders that the second environment's PYTHONPATH has and the first one's does not."""
    known, folders = (environment.get("PYTHONPATH", "").split(os.pathsep) for environment in (before, after))
    return [folder for folder in folders if folder and folder not in known]


def _unshare_host_name() -> None:
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUTS):
        raise OSError(ctypes.get_errno(), "cannot unshare the host name")


def _fork_fork_server(path: str, args: Sequence[Any], passfds: Sequence[int]) -> int:
    """Fork the first fork server of a process, instead of starting an interpreter that imports everything again."""
    global _has_forked
    program = os.fsdecode(args[-1])
    if _has_forked or not program.startswith(FORK_SERVER) or threading.active_count() > 1:
        return _spawn(path, args, passfds)
    _has_forked = True
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        _run_fork_server(program, passfds)
    return pid


def _run_fork_server(program: str, passfds: Sequence[int]) -> NoReturn:
    global _has_forked
    # A worker that is forked from it may have a fork server of its own; the lock is held while this one starts.
    code, _has_forked = 1, False
    multiprocessing.forkserver._forkserver._lock = threading.Lock()
    try:
        kept = sorted({0, 1, 2, *passfds})
        for before, after in zip(kept, [*kept[1:], os.sysconf("SC_OPEN_MAX")], strict=True):
            os.closerange(before + 1, after)
        for number in signal.valid_signals():
            if callable(signal.getsignal(number)):  # those that are ignored stay so, as in a new program
                signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        exec(program, {})
    except SystemExit:
        code = 0
    finally:
        os._exit(code)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
