"""Starting a command in a process that is forked from one which has imported everything already."""

from __future__ import annotations

import atexit
import fcntl
import json
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import IO

from tests.warm import server

COLD = "SEARCH_TEST_COLD"
# When the tests are collected; what they set later is for their commands.
ENVIRONMENT = dict(os.environ)
# What an interpreter or a library reads when it starts, before the command's own environment is there. (Torch adds
# variables with other beginnings to the environment of whatever imports it.)
READ_AT_START = ("PYTHON", "LD_", "LANG", "LC_", "OMP_", "MKL_", "OPENBLAS_", "MALLOC_")
# What a folder on PYTHONPATH puts in place of something that is imported already.
REPLACED = {*server.OURS, "sitecustomize", "usercustomize"}


class WarmProcess:
    """A command that runs, used like a `subprocess.Popen` in text mode; it leads a process group of its own."""

    def __init__(self, arguments: list[str], status: IO[bytes], outputs: tuple[IO[str], IO[str]] | None) -> None:
        self.args = arguments
        self.returncode: int | None = None
        self.stdout, self.stderr = outputs or (None, None)
        self._status = status
        self._readers: list[threading.Thread] = []
        self._read: dict[IO[str], str] = {}
        self.pid = self._receive()

    def __enter__(self) -> WarmProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for stream in filter(None, (self.stdout, self.stderr)):
            stream.close()
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
        assert self.stdout is not None
        assert self.stderr is not None
        if not self._readers:
            self._readers = [self._drain(self.stdout), self._drain(self.stderr)]
        for reader in self._readers:
            reader.join(None if deadline is None else max(0.0, deadline - time.monotonic()))
            if reader.is_alive():
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
        self.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
        return self._read[self.stdout], self._read[self.stderr]

    def send_signal(self, number: int) -> None:
        """Send a signal to the process alone, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it has ended since
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM to the process alone."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL to the process alone."""
        self.send_signal(signal.SIGKILL)

    def _drain(self, stream: IO[str]) -> threading.Thread:
        def read() -> None:
            with stream:
                self._read[stream] = stream.read()

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        return reader

    def _end(self) -> None:
        self.returncode = self._receive()
        self._status.close()

    def _receive(self) -> int:
        content = self._status.read(server.NUMBER.size)
        assert content, "the process that forks the tests' commands has died"
        return int(server.NUMBER.unpack(content)[0])


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a command runs: None for this process's folder, cores and host name, and for outputs that are read."""

    folder: Path | None = None
    cores: Sequence[int] | None = None
    host: str | None = None
    output: IO[bytes] | None = None


def start(module: str, arguments: list[str], env: Mapping[str, str], place: Place) -> WarmProcess:
    """Run a module as a program with this environment."""
    request = server.Request(
        module=module,
        arguments=arguments,
        environment=env,
        folder=str(place.folder or Path.cwd()),
        cores=place.cores or _own_cores(),
        host=place.host,
    )
    with ExitStack() as stack:
        status, outputs = _pipe(stack), [] if place.output else [_pipe(stack), _pipe(stack)]
        ends = [place.output.fileno()] * 2 if place.output else [end for _, end in outputs]
        socket.send_fds(_channel(), [json.dumps(asdict(request)).encode()], [*ends, status[1]])
    streams = tuple(os.fdopen(read, encoding="utf-8") for read, _ in outputs)
    return WarmProcess([module, *arguments], os.fdopen(status[0], "rb", buffering=0), streams or None)


def _own_cores() -> list[int] | None:
    return sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else None


def _pipe(stack: ExitStack) -> tuple[int, int]:
    """Return a pipe's two ends, of which the second is closed with the stack."""
    read, write = os.pipe()
    stack.callback(os.close, write)
    return read, write


def can_start(env: Mapping[str, str]) -> bool:
    """Return whether a warm process can have this environment; never, with SEARCH_TEST_COLD in the tests' own."""
    if os.environ.get(COLD) or _read_at_start(env) != _read_at_start(ENVIRONMENT):
        return False
    folders = map(Path, server.find_added(ENVIRONMENT, env))
    return not any(path.stem in REPLACED for folder in folders for path in folder.iterdir())


def _read_at_start(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.startswith(READ_AT_START) and name != "PYTHONPATH"}


@cache
def _channel() -> socket.socket:
    """Connect to the process that forks commands: one for all processes of a run of the tests."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or secrets.token_hex(16)
    folder = Path(tempfile.gettempdir(), f"search-tests-{run}")
    folder.mkdir(mode=0o700, exist_ok=True)
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        address = str(folder / "socket")
        try:
            channel.connect(address)
        except FileNotFoundError:
            _start_server(address)
            channel.connect(address)
    atexit.register(channel.close)
    return channel


def _start_server(address: str) -> None:
    """Start the process that forks commands; it ends when nobody is connected."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(address)
        listener.listen()
        process = subprocess.Popen(
            [sys.executable, "-P", server.__file__, str(listener.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[listener.fileno()],
            env=ENVIRONMENT,
            start_new_session=True,
        )
    atexit.register(process.wait)
