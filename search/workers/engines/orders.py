"""What a command, the process that is its cluster's client, and the cluster's workers tell one another."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.connection import find_address
from search.settings import Settings, load_given
from search.workers.job import WorkerJob
from storage import url

CARRIED = ("data", "checkpoints", "step", "lease_seconds", "checkpoint_share", "checkpoints_kept", "hung_seconds")
"""Settings that workers get from the command, if somebody has set them there; otherwise their machine's own apply."""


@dataclass(frozen=True, kw_only=True)
class WorkerTask:
    """A worker, as it may be described to a cluster that keeps it: without a password."""

    study: str
    objective: str | None
    storage: str
    settings: Mapping[str, Any]
    device: str
    peers: tuple[str, ...] = ()
    threads: int


@dataclass(frozen=True, kw_only=True)
class Start:
    """Ask the client for a worker."""

    index: int
    task: WorkerTask


@dataclass(frozen=True, kw_only=True)
class Withdraw:
    """Tell the client to give up workers that wait for a place."""


@dataclass(frozen=True, kw_only=True)
class End:
    """Ask the client to let all workers finish their step, and to end."""


@dataclass(frozen=True, kw_only=True)
class Connected:
    """The client has reached a cluster."""

    address: str


@dataclass(frozen=True, kw_only=True)
class Refused:
    """The client cannot work; it has ended."""

    reason: str
    usage: bool = False
    """Whether a flag or a setting is at fault."""


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """Workers wait for a place."""

    count: int
    cpus: float
    """CPUs of the cluster as it is now, free or not."""
    gpus: float


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a worker has ended."""

    code: int
    reason: str | None = None
    """Why it failed, in one sentence, if it told."""
    drained: bool = False
    """Whether somebody had asked it to leave before it died."""
    place: str = ""
    """Where it ran, or what is known of the loss of that place."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A worker has ended."""

    index: int
    outcome: Outcome


@dataclass(frozen=True, kw_only=True)
class Closed:
    """All workers have ended, and so does the client."""

    killed: bool
    """Whether one of them did not end by itself."""


def describe_task(job: WorkerJob) -> WorkerTask:
    """Return a worker's job as a cluster may know it."""
    settings = job.settings
    given = {name: getattr(settings, name) for name in CARRIED if name in settings.model_fields_set}
    for name in ("data", "checkpoints"):
        if name in given and "://" not in str(given[name]):
            given[name] = str(Path(given[name]).absolute())
    return WorkerTask(
        study=job.study,
        objective=job.objective,
        storage=find_address(job.storage).text,
        settings=given,
        device=job.device,
        peers=job.peers,
        threads=job.threads,
    )


def build_job(task: WorkerTask, environ: Mapping[str, str] = os.environ) -> WorkerJob:
    """Return the job of a worker on the machine where it runs, which may know the storage's password.

    Raises:
        UsageError: this machine's settings break a rule.
    """
    settings: Settings = load_given({**task.settings, "storage": find_storage(task.storage, environ)})
    return WorkerJob(
        storage=str(settings.storage),
        study=task.study,
        objective=task.objective,
        settings=settings,
        device=task.device,
        peers=task.peers,
        threads=task.threads,
    )


def find_storage(address: str, environ: Mapping[str, str]) -> str:
    """Return the URL of this machine's SEARCH_STORAGE if it differs from the address by its password only."""
    for name in url.VARIABLES:
        own = environ.get(name)
        if own and url.has_password(own) and find_address(own).text == address:
            return own
    return address
