"""The services of machines, whose workers train one study after another, in the list of workers.

Each study that a worker of a service turns to has a process of its own. Between two of them the list does not have the
worker, so that a request to leave would miss it: the service is there all the time, and passes the request on.
"""

from __future__ import annotations

import socket
from collections.abc import Collection

from sqlalchemy import Engine, delete, func, or_, update
from sqlalchemy.dialects.postgresql import insert

from storage.leasing.workers import abbreviate, is_dead, list_known, name_process, new_worker_id
from storage.schema import workers

NO_STUDY = 0
"""Stands for a study's id, which Optuna counts from 1."""
_PREFIX = "service-"


def new_service_id() -> str:
    """Return a name for this process, which tells as much as a worker's, and that it is a service."""
    before, slash, last = new_worker_id().rpartition("/")
    return f"{before}{slash}{_PREFIX}{last}"


def is_service(name: str) -> bool:
    """Return whether a name in the list of workers is that of a service."""
    return abbreviate(name).startswith(_PREFIX)


def show(engine: Engine, service: str) -> str | None:
    """Show that a service is alive, and return how it was asked to leave; None if it was not."""
    row = {"worker": service, "study_id": NO_STUDY, "host": socket.gethostname(), "device": ""}
    shown = (
        insert(workers)
        .values(**row, beat_at=func.now())
        .on_conflict_do_update(index_elements=["worker"], set_={"beat_at": func.now()})
        .returning(workers.c.leaves)
    )
    with engine.begin() as connection:
        asked: str | None = connection.scalar(shown)
    return asked


def ask_workers_to_leave(engine: Engine, pids: Collection[int], how: str) -> None:
    """Ask workers of this machine, by their processes, to leave; one that is not in the list yet is not asked."""
    if not pids:
        return
    own = or_(*(workers.c.worker.startswith(name_process(pid), autoescape=True) for pid in pids))
    with engine.begin() as connection:
        connection.execute(update(workers).where(own).values(leaves=how))


def remove_dead(engine: Engine) -> None:
    """Remove services of this machine that no longer exist from the list."""
    dead = [service for service in list_known(engine, NO_STUDY) if is_dead(service)]
    with engine.begin() as connection:
        connection.execute(delete(workers).where(workers.c.worker.in_(dead)))
