"""NVIDIA's Multi-Process Service (MPS) for the workers of a run: their work runs side by side on a GPU, not in turn.

Without it a GPU gives each process slices of time, and small networks leave most of it idle. The service is the run's
own: its sockets lie in a folder of its own, and it ends with the run, however that ends.
(https://docs.nvidia.com/deploy/mps)
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Protocol

from objectives.base.device_names import CPU
from search.workers.machine import cuda_probe
from search.workers.machine.accelerators import SLICE_PREFIX
from search.workers.machine.sockets import find_socket_folder

PROGRAM = "nvidia-cuda-mps-control"
PIPES = "CUDA_MPS_PIPE_DIRECTORY"
LOGS = "CUDA_MPS_LOG_DIRECTORY"
USUAL_PIPES = "/tmp/nvidia-mps"
START_SECONDS = 20.0
END_SECONDS = 5.0


class GpuUser(Protocol):
    """What uses GPUs: a worker's job."""

    @property
    def place(self) -> str:
        """The name of its devices together, or `cpu`."""

    @property
    def visible(self) -> Sequence[str]:
        """Their UUIDs."""


def find_obstacle(environment: Mapping[str, str] = os.environ) -> str | None:
    """Return why a run starts no MPS of its own; None if it can."""
    if is_running(environment):
        return "one runs already, which is used"
    if shutil.which(PROGRAM) is None:
        return f"{PROGRAM} is not on the PATH"
    return None


def is_running(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether the user or the system runs MPS for this process."""
    return bool(environment.get(PIPES)) or Path(USUAL_PIPES, "control").exists()


def share_where_several(
    users: Sequence[GpuUser],
    context: ForkServerContext,
    start: Callable[[BaseProcess], None],
    *,
    may_grow: bool = False,
) -> AbstractContextManager[dict[str, str]]:
    """Share GPUs as `share_gpus` does if several workers use one or, as `may_grow` says, may do so later.

    Not so for slices of GPUs, each of which would need a service of its own: there, workers take turns.
    """
    gpus = [user.place for user in users if user.place != CPU]
    divided = any(uuid.startswith(SLICE_PREFIX) for user in users for uuid in user.visible)
    if gpus and not divided and (may_grow or len(set(gpus)) < len(gpus)):
        return share_gpus(context, start)
    return nullcontext({})


@contextmanager
def share_gpus(context: ForkServerContext, start: Callable[[BaseProcess], None]) -> Iterator[dict[str, str]]:
    """Run MPS while the block runs; return the environment with which processes use it, empty if they cannot.

    start: starts the process that takes care of the service.
    """
    if find_obstacle():
        yield {}
        return
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=keep_service, args=(sender,), name="MPS")
    start(process)
    sender.close()
    try:
        yield _read_environment(receiver)
    finally:
        _end(process)
        receiver.close()


def keep_service(sender: Connection) -> None:
    """Run the service in this process's care until it gets SIGTERM or its parent is gone; send its environment."""
    ended = threading.Event()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    threading.Thread(target=_wait_for_parent, args=(ended,), daemon=True).start()
    folder = Path(tempfile.mkdtemp(prefix="mps-", dir=find_socket_folder()))
    environment = {PIPES: str(folder), LOGS: str(folder)}
    try:
        # In the foreground, so that it is a child of this process; in a session of its own, out of Ctrl-C's reach.
        with subprocess.Popen(
            [PROGRAM, "-f"],
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as service:
            sender.send(environment if _works(environment, ended) else {})
            ended.wait()
            _quit(environment)
            try:
                service.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                service.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _works(environment: Mapping[str, str], ended: threading.Event) -> bool:
    """Return whether a process can use the GPU through the service, which another user's may prevent."""
    control = Path(environment[PIPES], "control")
    for _ in range(int(START_SECONDS / 2 / 0.05)):
        if control.exists() or ended.wait(0.05):
            break
    try:
        tried = subprocess.run(
            [sys.executable, "-I", cuda_probe.__file__],
            env={**os.environ, **environment},
            timeout=START_SECONDS / 2,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return tried.returncode == 0


def _quit(environment: Mapping[str, str]) -> None:
    try:
        subprocess.run(
            [PROGRAM],
            input=b"quit -t 1\n",
            env={**os.environ, **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=END_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return


def _read_environment(receiver: Connection) -> dict[str, str]:
    try:
        return dict(receiver.recv()) if receiver.poll(START_SECONDS) else {}
    except EOFError:
        return {}


def _end(process: BaseProcess) -> None:
    process.terminate()
    process.join(3 * END_SECONDS)
    if process.exitcode is None:
        process.kill()
        process.join()


def _wait_for_parent(ended: threading.Event) -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    ended.set()
