"""The workers of services in the list of workers: each of them trains one study after another.

Each study that such a worker turns to has a process of its own, whose name in the list ends like the worker's. Between
two studies the list has no process, so that a request to leave would miss the worker: the service shows each of its
workers all the time, under a name of its own process, and passes requests on.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence

from sqlalchemy import Engine, delete, func, update
from sqlalchemy.dialects.postgresql import insert

from storage.leasing.workers import is_dead, list_known, name_process
from storage.schema import workers

NO_STUDY = 0
"""Stands for a study's id, which Optuna counts from 1."""


def show(engine: Engine, names: Sequence[str]) -> dict[str, str]:
    """Show that a service's workers are there, and return how those are to leave that were asked to."""
    if not names:
        return {}
    row = {"study_id": NO_STUDY, "host": socket.gethostname(), "device": "", "beat_at": func.now()}
    shown = (
        insert(workers)
        .values([{"worker": name, **row} for name in names])
        .on_conflict_do_update(index_elements=["worker"], set_={"beat_at": func.now()})
        .returning(workers.c.worker, workers.c.leaves)
    )
    with engine.begin() as connection:
        return {name: how for name, how in connection.execute(shown) if how is not None}


def ask_process_to_leave(engine: Engine, pid: int, how: str) -> None:
    """Ask a worker's process on this machine to leave; one that is not in the list yet is not asked."""
    asked = update(workers).where(workers.c.worker.startswith(name_process(pid), autoescape=True)).values(leaves=how)
    with engine.begin() as connection:
        connection.execute(asked)


def remove_dead(engine: Engine) -> None:
    """Remove workers of services of this machine that no longer exist from the list."""
    dead = [worker for worker in list_known(engine, NO_STUDY) if is_dead(worker)]
    with engine.begin() as connection:
        connection.execute(delete(workers).where(workers.c.worker.in_(dead)))
