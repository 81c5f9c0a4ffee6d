"""The embedded Postgres: started by the first command that needs it, stopped by the last one that leaves.

Three files are locked with flock, which the kernel releases when their holder dies, however it dies: `start.lock`
exclusively, to enter or to leave; `use.lock` shared, by every command that uses the server; `server.lock` by the
server itself, all of whose processes inherit it. A free `server.lock` therefore means that no process of the server
is left, whatever process numbers say.
"""

import fcntl
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from storage.embedded import file_locks, initdb, postmaster
from storage.embedded.binaries import find_unprivileged_account
from storage.embedded.cluster import Answer, Cluster
from storage.errors import EmbeddedServerError

ANSWER_TIMEOUT_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class EmbeddedStatus:
    """What is known about the embedded server without starting it."""

    running: bool
    kept: bool
    """Whether it keeps running when the last command that uses it ends."""
    port: int | None
    pid: int | None
    folder: Path
    version: str | None
    """The server's version ("18.4") or, while it is stopped, that of the data ("18")."""
    users: int | None
    """The number of processes that use it; None if the system does not tell."""
    size_bytes: int


class EmbeddedServer:
    """The Postgres server whose data are in a home folder, shared by all processes that name that folder.

    As a context manager it acquires the server, yields the URL, and releases it.
    """

    def __init__(self, home: Path) -> None:
        initdb.check_name(home.absolute(), what="the home")
        self._cluster = Cluster(folder=home.absolute() / "postgres", account=find_unprivileged_account())
        self._use: int | None = None
        self._count = 0

    @property
    def is_initialized(self) -> bool:
        """Whether any command has created the data."""
        with self._explained():
            return self._cluster.is_initialized

    def acquire(self) -> str:
        """Start or join the server, and return its SQLAlchemy URL (without a password).

        Each call needs one `release`, until which no other process's `release` stops the server.

        Raises:
            EmbeddedServerError: the server cannot be created, started or reached.
        """
        with self._exclusive():
            return self._enter()

    def release(self) -> None:
        """Undo one `acquire`; stop the server if nothing uses it any more."""
        assert self._count > 0, "release() without acquire()"
        with self._exclusive():
            self._leave()
            self._stop_if_unused()

    def start_detached(self) -> str:
        """Start the server, which then runs until `stop`, and return its URL.

        Raises:
            EmbeddedServerError: as `acquire`.
        """
        with self._exclusive():
            url = self._enter()
            self._leave()
            self._kept.touch(mode=0o600)
            return url

    def stop(self, *, force: bool = False) -> bool:
        """Stop the server, and return whether it was running.

        Args:
            force: Stop it even if others use it.

        Raises:
            EmbeddedServerError: others use it and `force` is False, or it does not stop.
        """
        with self._exclusive():
            answer = self._await_answer()
            if answer is None:
                self._kept.unlink(missing_ok=True)
                return False
            if not force and self._is_used():
                raise EmbeddedServerError(
                    f"other commands use the embedded server in {self._cluster.folder}; wait until they end, or end "
                    "them"
                )
            self._kept.unlink(missing_ok=True)
            self._stop(answer)
            return True

    def status(self) -> EmbeddedStatus:
        """Return what is known about the server, without starting, joining or creating anything."""
        with self._explained():
            answer = self._cluster.ask()
            made = self._cluster.read_major() if self._cluster.is_initialized else None
            return EmbeddedStatus(
                running=answer is not None,
                kept=self._kept.exists(),
                port=answer.port if answer else None,
                pid=answer.pid if answer else None,
                folder=self._cluster.data,
                version=answer.version if answer else made,
                users=file_locks.count_holders(self._cluster.folder / "use.lock"),
                size_bytes=self._cluster.size_bytes,
            )

    def __enter__(self) -> str:
        return self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    @property
    def _kept(self) -> Path:
        return self._cluster.folder / "kept"

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn errors of the file system into one sentence."""
        try:
            yield
        except OSError as error:
            raise EmbeddedServerError(
                f"the embedded database cannot use {self._cluster.folder} ({error.strerror or error}); set "
                "SEARCH_HOME to a writable folder with free space on a local disk, or give --storage URL"
            ) from error

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        with self._explained():
            initdb.make_folder(self._cluster)
            descriptor = self._open("start.lock")
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                yield
            finally:
                # Closing is not enough: a child that another thread forked holds the same open file.
                fcntl.flock(descriptor, fcntl.LOCK_UN)
                os.close(descriptor)

    def _open(self, name: str) -> int:
        return file_locks.open_lock(self._cluster.folder / name)

    def _enter(self) -> str:
        if self._use is None:
            self._use = self._open("use.lock")
            fcntl.flock(self._use, fcntl.LOCK_SH)
        self._count += 1
        try:
            answer = self._await_answer()
            return self._cluster.build_url(answer.port if answer else self._start())
        except BaseException as error:
            self._leave()
            if not isinstance(error, EmbeddedServerError):
                self._stop_if_unused()
            raise

    def _leave(self) -> None:
        self._count -= 1
        if self._count == 0 and self._use is not None:
            fcntl.flock(self._use, fcntl.LOCK_UN)
            os.close(self._use)
            self._use = None

    def _is_used(self) -> bool:
        """Return whether anything but this object uses the server; the caller must hold the exclusive lock."""
        if self._use is None:
            return file_locks.is_locked(self._cluster.folder / "use.lock")
        alone = file_locks.try_exclusive(self._use)
        fcntl.flock(self._use, fcntl.LOCK_SH)
        return not alone

    def _stop_if_unused(self) -> None:
        if self._count or self._kept.exists() or self._is_used():
            return
        answer = self._await_answer()
        if answer is not None:
            self._stop(answer)

    def _stop(self, answer: Answer) -> None:
        self._cluster.check_place()
        for number in (signal.SIGINT, signal.SIGQUIT):  # Postgres's fast and immediate ways to end
            with suppress(ProcessLookupError, FileNotFoundError):  # it has just ended
                postmaster.send_signal(self._cluster, answer.pid, number)
            deadline = time.monotonic() + postmaster.STOP_TIMEOUT_SECONDS
            while self._is_serving() and time.monotonic() < deadline:
                time.sleep(0.01)
            if not self._is_serving():
                return
        folder = self._cluster.folder
        raise EmbeddedServerError(f"the embedded Postgres in {folder} does not stop; end its process {answer.pid}")

    def _is_serving(self) -> bool:
        """Return whether any process of the server lives, here or in another container or on another machine."""
        return file_locks.is_locked(self._cluster.server_lock)

    def _await_answer(self) -> Answer | None:
        """Wait while a server starts, recovers or stops; return its answer, or None if there is no server."""
        deadline = time.monotonic() + ANSWER_TIMEOUT_SECONDS
        while (answer := self._cluster.ask()) is None and self._is_serving():
            self._cluster.check_place()
            self._cluster.check_password_file()
            if time.monotonic() > deadline:
                raise EmbeddedServerError(
                    f"the embedded server in {self._cluster.folder} runs but accepts no connection after "
                    f"{ANSWER_TIMEOUT_SECONDS} s; read {self._cluster.log}, or end its process and try again"
                )
            time.sleep(0.02)
        return answer

    def _start(self) -> int:
        initdb.check_entrance(self._cluster)
        if not self._cluster.is_initialized:
            initdb.initialize(self._cluster)
        initdb.close_data(self._cluster)
        descriptor = self._open("server.lock")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            os.ftruncate(descriptor, 0)
            os.write(descriptor, file_locks.machine_name().encode())
            return postmaster.start(self._cluster, descriptor)
        finally:
            os.close(descriptor)
