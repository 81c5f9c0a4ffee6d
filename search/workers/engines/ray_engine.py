"""The engine of a Ray cluster: workers in actors, by way of a process that is the cluster's client."""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from sqlalchemy import Engine

from search.errors import Exit, SearchError, UsageError
from search.signals import hurry_on_second, ignore_signals
from search.workers.engines import ray_client
from search.workers.engines.orders import (
    Closed,
    Connected,
    End,
    Ended,
    Outcome,
    Refused,
    Start,
    Waiting,
    Withdraw,
    describe_task,
)
from search.workers.engines.placement import ClusterRequest, check_answers, check_installed, count_units
from search.workers.job import LOST, WorkerJob
from search.workers.machine.fork_server import safe_path, start_process

END_SECONDS = 20.0
"""How long the client may take to end; then it is killed, and the cluster ends the workers."""

_log = logging.getLogger(__name__)


@dataclass
class ClusterWorker:
    """A worker in an actor, as far as its end is known."""

    outcome: Outcome | None = None

    @property
    def exitcode(self) -> int | None:
        """The code with which the worker has ended; None while it runs, or waits for a place."""
        return None if self.outcome is None else self.outcome.code

    def describe_end(self) -> str:
        """Return how the worker has ended, for a line of the log."""
        assert self.outcome is not None, "the worker has ended"
        if self.outcome.code == LOST:
            return f"its actor was lost on {self.outcome.place}"
        return f"code {self.outcome.code} on {self.outcome.place}"

    def take_trained(self) -> None:
        """Return None: what is known of a worker of the cluster is its end."""

    def read_message(self) -> str | None:
        """Return why the worker failed, in one sentence; None if it did not tell."""
        outcome = self.outcome
        if outcome is None or outcome.reason is None:
            return None
        return f"on {outcome.place}: {outcome.reason}" if outcome.place else outcome.reason

    def was_drained(self, engine: Engine) -> bool:
        """Return whether somebody had asked the worker to leave that has died, as its own machine found."""
        return self.outcome is not None and self.outcome.drained


class RayEngine:
    """Starts a run's workers on a Ray cluster."""

    def __init__(self, request: ClusterRequest) -> None:
        """Connect to the cluster.

        Raises:
            UsageError: Ray is not installed, or nothing listens at the address.
            SearchError: there is no such cluster, it takes orders from anybody, or it refuses this machine.
        """
        check_installed()
        check_answers(request.address)
        self._workers: dict[int, ClusterWorker] = {}
        self._closed: Closed | None = None
        self._request = request
        self._process, self._pipe = start_client(request)
        try:
            self._connected = self._wait_for_cluster()
        except BaseException:
            self._process.kill()  # it may wait for the cluster
            self.close()
            raise

    def __str__(self) -> str:
        """Return where workers are started, for people."""
        return f"the Ray cluster at {self._connected.address}, each with {self._request.share}"

    def share(self, jobs: Sequence[WorkerJob], *, may_grow: bool) -> AbstractContextManager[dict[str, str]]:
        """Share nothing: Ray says which worker may use which part of a GPU."""
        return nullcontext({})

    def start(self, index: int, job: WorkerJob) -> ClusterWorker:
        """Ask for a worker, which begins as soon as the cluster has a place for it."""
        worker = self._workers[index] = ClusterWorker()
        try:
            self._pipe.send(Start(index=index, task=describe_task(job)))
        except OSError:
            self._lose()
        return worker

    def collect(self) -> None:
        """Learn which workers have ended since the last call."""
        try:
            while self._pipe.poll():
                self._note(self._pipe.recv())
        except (EOFError, OSError):
            self._lose()

    def withdraw(self) -> None:
        """Give up the workers that wait for a place."""
        try:
            self._pipe.send(Withdraw())
        except OSError:
            self._lose()

    def end(self) -> bool:
        """Let the workers that run finish their step; return whether one of them did not end by itself.

        At a second signal the client is killed. The cluster then ends the actors, and their workers, which see that,
        leave in order.
        """
        with hurry_on_second(self._process.kill):
            try:
                self._pipe.send(End())
                while self._closed is None and self._pipe.poll(END_SECONDS):
                    self._note(self._pipe.recv())
            except (EOFError, OSError):
                pass
        killed = self._closed is None or self._closed.killed
        self.close()
        return killed

    def close(self) -> None:
        """End the client, and with it every worker that runs; a second call does nothing."""
        self._pipe.close()
        self._process.join(END_SECONDS)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()

    def _wait_for_cluster(self) -> Connected:
        try:
            event = self._pipe.recv()
        except EOFError:
            raise SearchError(
                "Ray's client ended without an answer; see whether `ray status` works on this machine"
            ) from None
        if isinstance(event, Refused):
            raise (UsageError if event.usage else SearchError)(event.reason)
        assert isinstance(event, Connected), event
        return event

    def _note(self, event: object) -> None:
        if isinstance(event, Ended):
            self._workers[event.index].outcome = event.outcome
        elif isinstance(event, Waiting):
            self._tell_waiting(event)
        elif isinstance(event, Refused):
            self._fail(event.reason)
        elif isinstance(event, Closed):
            self._closed = event

    def _lose(self) -> None:
        self._fail(f"the connection to the Ray cluster at {self._connected.address} was lost")

    def _fail(self, reason: str) -> None:
        """Let every worker that runs end with this reason."""
        for worker in self._workers.values():
            if worker.outcome is None:
                worker.outcome = Outcome(code=Exit.FAILED, reason=reason)

    def _tell_waiting(self, event: Waiting) -> None:
        _log.warning(
            "%d of %d workers wait for a place on the cluster, which has %s and %s now; each takes %s",
            *(event.count, len(self._workers), count_units(event.cpus, "CPU"), count_units(event.gpus, "GPU")),
            self._request.share,
        )


def start_client(request: ClusterRequest) -> tuple[SpawnProcess, Connection]:
    """Start the client; a signal to the whole group is for the command alone."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=ray_client.serve, args=(request, theirs), name="Ray's client")
    with safe_path(), ignore_signals():
        start_process(process)
    theirs.close()
    return process, ours
