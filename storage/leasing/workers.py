"""The workers of a study: who they are, on which device, and when they were last heard of."""

from __future__ import annotations

import os
import socket
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, func, select, text
from sqlalchemy import delete as delete_
from sqlalchemy.dialects.postgresql import insert

from storage.schema import workers


@dataclass(frozen=True, kw_only=True)
class WorkerRow:
    """One worker as the storage last heard of it."""

    id: str
    host: str
    device: str
    trial: int | None
    epoch: int | None
    beat_s: float
    """Seconds since its last sign of life, by the database's clock."""


def new_worker_id() -> str:
    """A worker's name: the machine, the process space, the process and its start, and a random part.

    The middle part tells a later process on the same machine whether this one still lives.
    """
    return f"{socket.gethostname()}/{_space()}/{os.getpid()}-{_started(os.getpid())}/{uuid.uuid4().hex[:8]}"


def is_dead(worker: str) -> bool:
    """Whether a worker ran in this machine's process space and its process is gone."""
    parts = worker.split("/")
    if len(parts) != 4 or parts[:2] != [socket.gethostname(), _space()]:
        return False
    pid, _, started = parts[2].partition("-")
    seen = _started(int(pid))
    return seen != started and (bool(seen) or _is_gone(int(pid)))


def list_known(engine: Engine, study_id: int) -> list[str]:
    """Every worker that the study's leases or list of workers name."""
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
    """Those of them that ran in this machine's process space and are gone."""
    return [worker for worker in list_known(engine, study_id) if is_dead(worker)]


def beat(connection: Connection, worker: str, study_id: int, device: str, trial: int | None, epoch: int | None) -> None:
    """Say that the worker lives and what it does."""
    row: dict[str, Any] = {"study_id": study_id, "trial": trial, "epoch": epoch, "beat_at": func.now()}
    connection.execute(
        insert(workers)
        .values(worker=worker, host=socket.gethostname(), device=device, **row)
        .on_conflict_do_update(index_elements=["worker"], set_=row)
    )


def leave(engine: Engine, worker: str) -> None:
    """Take the worker off the list."""
    with engine.begin() as connection:
        connection.execute(delete_(workers).where(workers.c.worker == worker))


def find_living(engine: Engine, study_id: int, within_seconds: float) -> list[WorkerRow]:
    """The study's workers that were heard of within so many seconds."""
    age = func.extract("epoch", func.now() - workers.c.beat_at)
    with engine.begin() as connection:
        rows = connection.execute(
            select(workers, age.label("age"))
            .where(workers.c.study_id == study_id, age < within_seconds)
            .order_by(workers.c.worker)
        ).all()
    return [
        WorkerRow(
            id=row.worker,
            host=row.host,
            device=row.device,
            trial=row.trial,
            epoch=row.epoch,
            beat_s=round(float(row.age), 1),
        )
        for row in rows
        if not is_dead(row.worker)
    ]


def _space() -> str:
    """A name for this machine's present process space; empty where the system has no such thing."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}-{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return ""


def _is_gone(pid: int) -> bool:
    """Whether the process is truly gone (or a zombie), and not merely hidden from this user."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return Path(f"/proc/{pid}/stat").exists()  # ours and visible, yet without a start: a zombie


def _started(pid: int) -> str:
    """When a process started, in clock ticks since boot; empty where it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
