"""The actors of a Ray cluster in which a command's workers run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from search.errors import Exit, SearchError
from search.workers.engines.orders import Ended, Outcome, Waiting, WorkerTask
from search.workers.engines.placement import ClusterRequest, check_reach
from search.workers.engines.ray_worker import DISTRIBUTION, RayWorker
from search.workers.job import LOST
from search.workers.processes import GRACE_SECONDS

PATIENCE_SECONDS = 10.0
"""How long workers wait for a place before that is said."""
REACH_SECONDS = 7.0
"""What an order and its answer may take on their way, beside the time that a worker has to finish its step."""


@dataclass(kw_only=True)
class Slot:
    """An actor and what it was asked; `described` is pending until the actor has a place, `ended` while it works."""

    actor: Any
    task: WorkerTask
    described: Any = None
    ended: Any = None
    since: float = 0.0
    host: str = ""


class Actors:
    """Starts actors, which Ray restarts wherever there is a place, and learns how their workers end."""

    def __init__(self, ray: Any, request: ClusterRequest, report: Callable[[object], None]) -> None:
        self._ray = ray
        self._request = request
        self._report = report
        self._slots: dict[int, Slot] = {}
        self._told = False
        # A worker may be started again and again. That `run` is not retried is how its end is learned of.
        self._class = ray.remote(
            num_cpus=request.share.cpus,
            num_gpus=request.share.gpus,
            max_restarts=-1,
            max_task_retries=0,
            max_concurrency=4,
            scheduling_strategy="SPREAD",
        )(RayWorker)

    def start(self, index: int, task: WorkerTask) -> None:
        """Ask for a place for a worker: a new actor, or the one of that index, which may have been restarted."""
        slot = self._slots.get(index)
        if slot is None:
            slot = self._slots[index] = Slot(actor=self._class.remote(), task=task)
        slot.task, slot.since = task, time.monotonic()
        slot.described = slot.actor.describe.options(max_task_retries=-1).remote()

    def look(self) -> None:
        """Let workers begin whose actors have a place, and report those that have ended.

        Raises:
            SearchError: an actor cannot be started, or its machine has another release of this program.
        """
        for index, slot in list(self._slots.items()):
            if slot.described is not None and self._is_done(slot.described):
                self._begin(slot)
            if slot.ended is not None and self._is_done(slot.ended):
                outcome, slot.ended = self._get_outcome(slot), None
                self._report(Ended(index=index, outcome=outcome))
                if outcome.code == Exit.DONE:
                    self._dismiss(index)  # what it occupied is free for others
        self._tell_waiting()

    def withdraw(self) -> None:
        """Give up the workers that wait for a place, and report them as ended: nothing is left for them."""
        for index in [index for index, slot in self._slots.items() if slot.described is not None]:
            self._dismiss(index)
            self._report(Ended(index=index, outcome=Outcome(code=Exit.DONE)))

    def end(self) -> bool:
        """Let all workers finish their step, and end the actors; return whether a worker did not end by itself."""
        busy = [slot for slot in self._slots.values() if slot.ended is not None]
        for slot in busy:
            slot.actor.end.remote()
        if busy:
            self._ray.wait([slot.ended for slot in busy], num_returns=len(busy), timeout=GRACE_SECONDS + REACH_SECONDS)
        codes = [self._get_outcome(slot).code if self._is_done(slot.ended) else LOST for slot in busy]
        for slot in self._slots.values():
            self._ray.kill(slot.actor)
        self._ray.shutdown()
        return any(code not in (Exit.DONE, Exit.TERMINATED) for code in codes)

    def _dismiss(self, index: int) -> None:
        self._ray.kill(self._slots.pop(index).actor)

    def _begin(self, slot: Slot) -> None:
        try:
            release, slot.host = self._ray.get(slot.described)
        except self._ray.exceptions.RayError as error:
            raise SearchError(
                f"a worker could not be started on the Ray cluster: {summarize(error)}; install {DISTRIBUTION} "
                f"{version(DISTRIBUTION)} in the Python of every machine"
            ) from None
        slot.described = None
        if release != version(DISTRIBUTION):
            raise SearchError(
                f"{slot.host} has {DISTRIBUTION} {release}, and this machine {version(DISTRIBUTION)}; install the "
                "same release on every machine of the cluster"
            )
        check_reach(self._request.storage, [slot.host])
        slot.ended = slot.actor.run.remote(slot.task)

    def _get_outcome(self, slot: Slot) -> Outcome:
        errors = self._ray.exceptions
        try:
            outcome: Outcome = self._ray.get(slot.ended)
        except errors.RayTaskError as error:  # one of `run` itself
            return Outcome(code=Exit.FAILED, reason=f"a worker on {slot.host} failed: {summarize(error)}")
        except errors.ActorUnavailableError:  # which has no more to say
            return Outcome(code=LOST, place=slot.host)
        except errors.RayError as error:
            return Outcome(code=LOST, place=f"{slot.host}: {summarize(error)}")
        return outcome

    def _is_done(self, reference: Any) -> bool:
        return bool(self._ray.wait([reference], timeout=0)[0])

    def _tell_waiting(self) -> None:
        now = time.monotonic()
        waiting = [slot.since for slot in self._slots.values() if slot.described is not None]
        if not waiting:
            self._told = False
        elif not self._told and now - min(waiting) > PATIENCE_SECONDS:
            self._told = True
            there = self._ray.cluster_resources()
            self._report(Waiting(count=len(waiting), cpus=there.get("CPU", 0.0), gpus=there.get("GPU", 0.0)))


def summarize(error: BaseException) -> str:
    """Return what says most in one of Ray's messages of many lines: its last one, without a full stop."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[-1].rstrip(".")[:300]
