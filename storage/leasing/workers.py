"""The workers of a study: their names, their devices, and when each was last heard from."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, Float, Row, func, literal_column, select, text, update
from sqlalchemy import delete as delete_

from storage.schema import workers

AFTER_TRIAL, AT_ONCE = "after trial", "at once"
"""How a worker was asked to leave: once its trial has ended, or with what it has of the trial stored."""


@dataclass(frozen=True, kw_only=True)
class WorkerRow:
    """One worker, as of its last heartbeat."""

    id: str
    host: str
    device: str
    trial: int | None
    epoch: int | None
    beat_s: float
    """Seconds since its last heartbeat, by the database's clock."""
    leaves: bool
    """Whether it was asked to leave."""
    epoch_s: float | None
    """Seconds of an epoch: the mean of its trial's last five; None if none is stored, or does not say."""


# Over its lease: a study has far more trials than leases.
_EPOCH_SECONDS = literal_column(
    "(SELECT avg(seconds) FROM (SELECT CAST(metrics->>'seconds' AS double precision) AS seconds "
    "FROM depthsearch.leases l JOIN depthsearch.epochs e USING (trial_id) WHERE l.study_id = workers.study_id "
    "AND l.worker = workers.worker ORDER BY e.epoch DESC LIMIT 5) AS last)",
    Float,
)


def new_worker_id(last: str | None = None) -> str:
    """Return a name for this process: host, process namespace, process id with start time, and a last part.

    By the middle parts another process on the same machine can tell whether this one is still alive.

    last: a random part if it is None.
    """
    return f"{name_process(os.getpid())}{_read_start(os.getpid())}/{last or uuid.uuid4().hex[:8]}"


def name_process(pid: int) -> str:
    """Return what the names of workers begin with that had this process id on this machine."""
    return f"{socket.gethostname()}/{_read_namespace()}/{pid}-"


def abbreviate(worker: str) -> str:
    """Return the last part of a worker's name, by which people call it."""
    return worker.rpartition("/")[2]


def get_host(worker: str) -> str:
    """Return the machine of a worker."""
    return worker.partition("/")[0]


def is_dead(worker: str) -> bool:
    """Return whether the worker ran in this machine's process namespace and its process no longer exists."""
    parts = worker.split("/")
    if len(parts) != 4 or parts[:2] != [socket.gethostname(), _read_namespace()]:
        return False
    pid, _, started = parts[2].partition("-")
    seen = _read_start(int(pid))
    return seen != started and (bool(seen) or _is_gone(int(pid)))


def list_known(engine: Engine, study_id: int) -> list[str]:
    """Return every worker that is named in the study's leases or in its list of workers."""
    with engine.begin() as connection:
        rows = connection.execute(
            text(
                "SELECT worker FROM depthsearch.workers WHERE study_id = :study "
                "UNION SELECT worker FROM depthsearch.leases WHERE study_id = :study"
            ),
            {"study": study_id},
        )
        return [row.worker for row in rows]


def find_dead(engine: Engine, study_id: int) -> list[str]:
    """Return the study's workers that ran in this machine's process namespace and no longer exist."""
    return [worker for worker in list_known(engine, study_id) if is_dead(worker)]


def list_living(engine: Engine, within_seconds: float) -> list[str]:
    """Return the names of all workers that are not known to be dead and were heard from lately.

    A worker of a service that trains has two: see `storage.leasing.services`.
    """
    age = func.extract("epoch", func.now() - workers.c.beat_at)
    with engine.begin() as connection:
        found = connection.scalars(select(workers.c.worker).where(age < within_seconds).order_by(workers.c.worker))
        return [worker for worker in found if not is_dead(worker)]


def ask_to_leave(engine: Engine, names: Sequence[str], *, at_once: bool) -> list[str]:
    """Ask workers to leave; they begin no trial from now on. Return the names of those that had not left before."""
    how = AT_ONCE if at_once else AFTER_TRIAL
    asked = update(workers).where(workers.c.worker.in_(names)).values(leaves=how).returning(workers.c.worker)
    with engine.begin() as connection:
        return list(connection.scalars(asked))


def was_asked_to_leave(engine: Engine, pid: int) -> bool:
    """Return whether the worker that had this process id on this machine died after it had been asked to leave."""
    asked = select(workers.c.worker).where(
        workers.c.worker.startswith(name_process(pid), autoescape=True), workers.c.leaves.isnot(None)
    )
    with engine.begin() as connection:
        return connection.scalar(asked) is not None


def leave(engine: Engine, worker: str) -> bool:
    """Remove the worker from the list, and return whether it had been asked to leave."""
    removed = delete_(workers).where(workers.c.worker == worker).returning(workers.c.leaves)
    with engine.begin() as connection:
        return connection.scalar(removed) is not None


def find_living(engine: Engine, study_id: int, within_seconds: float) -> list[WorkerRow]:
    """Return the study's workers that are not known to be dead and were heard from within `within_seconds`."""
    return find_living_of(engine, [study_id], within_seconds)[study_id]


def find_living_of(engine: Engine, study_ids: Sequence[int], within_seconds: float) -> dict[int, list[WorkerRow]]:
    """Return what `find_living` does for each of these studies."""
    age = func.extract("epoch", func.now() - workers.c.beat_at)
    with engine.begin() as connection:
        rows = connection.execute(
            select(workers, age.label("age"), _EPOCH_SECONDS.label("epoch_s"))
            .where(workers.c.study_id.in_(study_ids), age < within_seconds)
            .order_by(workers.c.worker)
        ).all()
    found: dict[int, list[WorkerRow]] = {study_id: [] for study_id in study_ids}
    for row in rows:
        if not is_dead(row.worker):
            found[row.study_id].append(_describe(row))
    return found


def _describe(row: Row[Any]) -> WorkerRow:
    return WorkerRow(
        id=row.worker,
        host=row.host,
        device=row.device,
        trial=row.trial,
        epoch=row.epoch,
        beat_s=round(float(row.age), 1),
        leaves=row.leaves is not None,
        epoch_s=row.epoch_s,
    )


def _read_namespace() -> str:
    """Return a name for this process's namespace; empty if the system has no namespaces."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}-{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return ""


def _is_gone(pid: int) -> bool:
    """Return whether the process no longer exists (or is a zombie), rather than being hidden from this user."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return Path(f"/proc/{pid}/stat").exists()  # visible, yet without a start time: a zombie


def _read_start(pid: int) -> str:
    """Return when a process started, in clock ticks since boot; empty if it no longer exists or is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    # Of a process that ends while its file is read, the file may be empty.
    return "" if len(fields) < 20 or fields[0] in "ZX" else fields[19]
