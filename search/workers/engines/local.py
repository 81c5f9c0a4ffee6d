"""The engine of this machine: worker processes, forked from one server."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

from search.errors import Exit
from search.workers import processes
from search.workers.job import WorkerJob
from search.workers.machine import fork_server
from search.workers.machine.gpu_sharing import share_where_several
from search.workers.processes import WorkerProcess


class LocalEngine:
    """Starts workers as processes of this machine; importing torch, which takes seconds, begins at once."""

    def __init__(self) -> None:
        self._context = fork_server.start_fork_server()
        self._started: dict[int, WorkerProcess] = {}

    def share(self, jobs: Sequence[WorkerJob], *, may_grow: bool) -> AbstractContextManager[dict[str, str]]:
        """Let workers of one GPU share it by MPS, where that is installed; yield variables for their environment."""
        return share_where_several(jobs, self._context, fork_server.start_process, may_grow=may_grow)

    def start(self, index: int, job: WorkerJob) -> WorkerProcess:
        """Start a worker process."""
        self._started[index] = processes.start_worker(self._context, job)
        return self._started[index]

    def collect(self) -> None:
        """Do nothing: a process's exit code is there when it is read."""

    def withdraw(self) -> None:
        """Do nothing: each process has begun."""

    def end(self) -> bool:
        """Let the workers that run finish their step; return whether one of them did not end by itself."""
        return processes.end_workers([one for one in self._started.values() if one.exitcode != Exit.DONE])

    def close(self) -> None:
        """Do nothing: the server ends with this process."""
