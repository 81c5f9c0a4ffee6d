"""Starting a command in a process that is forked from one which has imported everything already."""

from __future__ import annotations

import atexit
import json
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import IO

from tests.warm import server

# What an interpreter or a library reads when it starts, before the command's own environment is there.
READ_AT_START = (
    "PYTHON",
    "LD_",
    "LANG",
    "LC_",
    "OMP_",
    "MKL_",
    "OPENBLAS_",
    "GOMP_",
    "KMP_",
    "MALLOC_",
    "TORCH",
    "CUDA",
)


class WarmProcess:
    """A command that runs, used like a `subprocess.Popen` in text mode; it leads a process group of its own."""

    def __init__(self, arguments: list[str], status: int, out: int, err: int) -> None:
        self.args = arguments
        self.returncode: int | None = None
        self.stdout: IO[str] = open(out, encoding="utf-8")
        self.stderr: IO[str] = open(err, encoding="utf-8")
        self._status = open(status, "rb", buffering=0)
        self._readers: dict[str, threading.Thread] = {}
        self._read: dict[str, str] = {}
        self.pid = self._receive()

    def __enter__(self) -> WarmProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stdout.close()
        self.stderr.close()
        self.wait()

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while the process runs."""
        if self.returncode is None and select.select([self._status], [], [], 0)[0]:
            self._end()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return the exit code.

        Raises:
            subprocess.TimeoutExpired.
        """
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self._end()
        assert self.returncode is not None
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Read both outputs to their ends, wait, and return what was read; may be called again after a timeout.

        Raises:
            subprocess.TimeoutExpired.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        if not self._readers:
            for name, stream in (("out", self.stdout), ("err", self.stderr)):
                self._readers[name] = threading.Thread(target=self._drain, args=(name, stream), daemon=True)
                self._readers[name].start()
        for reader in self._readers.values():
            reader.join(None if deadline is None else max(0.0, deadline - time.monotonic()))
            if reader.is_alive():
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
        self.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
        return self._read["out"], self._read["err"]

    def send_signal(self, number: int) -> None:
        """Send a signal to the process alone, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def _drain(self, name: str, stream: IO[str]) -> None:
        with stream:
            self._read[name] = stream.read()

    def _end(self) -> None:
        self.returncode = self._receive()
        self._status.close()

    def _receive(self) -> int:
        content = self._status.read(server.NUMBER.size)
        assert content, "the process that forks the tests' commands has died"
        return int(server.NUMBER.unpack(content)[0])


def start(module: str, arguments: list[str], *, cwd: Path | None, env: Mapping[str, str]) -> WarmProcess:
    """Run a module as a program, with this environment and in this folder, by default the present one."""
    pipes = [os.pipe() for _ in range(3)]
    (out, for_out), (err, for_err), (status, for_status) = pipes
    request = {"module": module, "arguments": arguments, "environment": env, "folder": str(cwd or Path.cwd())}
    try:
        socket.send_fds(_channel(), [json.dumps(request).encode()], [for_out, for_err, for_status])
    finally:
        for _, end in pipes:
            os.close(end)
    return WarmProcess([module, *arguments], status, out, err)


def is_possible(env: Mapping[str, str]) -> bool:
    """Whether a process that was started with this test session's environment can take on this one."""
    return _read_at_start(env) == _read_at_start(_environment())


def _read_at_start(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.startswith(READ_AT_START)}


@cache
def _environment() -> dict[str, str]:
    """The environment when the first command of this process is started."""
    return dict(os.environ)


@cache
def _channel() -> socket.socket:
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its:
        process = subprocess.Popen(
            [sys.executable, "-P", server.__file__, str(its.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[its.fileno()],
            env=_environment(),
            start_new_session=True,
        )

    @atexit.register
    def end() -> None:
        ours.close()
        process.wait()

    return ours
