"""This machine as a part of a service: its workers train whatever study of the storage has work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from objectives.base.plurals import count_noun
from search.api.machines import prepare_machine
from search.api.session import Session
from search.connection import storage_url
from search.errors import NothingToDo
from search.settings import Settings
from search.study import create
from search.study.plan import StudyRequest
from search.study.serving import Served, parse_allowed
from search.study.status_types import Status
from search.workers.fleet.fleet import Fleet
from search.workers.job import WorkerJob
from storage import url
from storage.database import open_database
from storage.errors import format_command
from storage.records import queue


@dataclass(frozen=True, kw_only=True)
class QueuedStudy:
    """A study that waits for workers which serve every study."""

    status: Status
    before: int
    """How many studies with work have a higher priority."""
    flags: tuple[str, ...]
    """What `search worker` needs to serve it."""
    notes: tuple[str, ...]
    """Warnings about the plan of a study that has just been created, one sentence each."""


def queue_study(session: Session, request: StudyRequest) -> QueuedStudy:
    """Let workers train a study that has just been created or opened.

    Raises:
        NothingToDo: its budget is spent.
    """
    database, record, plan = session.database, session.record, session.plan
    assert plan is not None, "a study that is created or continued has a plan"
    if session.view.budget().left == 0:
        more = format_command("submit", "--study", record.name, "--trials", "N")
        raise NothingToDo(f"the budget of study {record.name!r} is spent; raise it, for instance with `{more}`")
    create.start_study(database, record.study_id, request.seconds)
    status = session.view.status()
    found = queue.list_open(database.engine, session.settings.lease_seconds)
    return QueuedStudy(
        status=status,
        before=sum(other.has_work and other.priority > status.priority for other in found),
        flags=("--allow", str(plan.found.path)) if plan.found.origin == "file" else (),
        notes=tuple(plan.notes),
    )


def serve_studies(settings: Settings, allow: Sequence[Path], *, once: bool, tell: Callable[[str], None]) -> None:
    """Serve every open study whose objective is installed here, or is one of the files in `allow`.

    Args:
        once: Whether to end when no study is left.
        tell: Called with a sentence when the workers are about to start, and when the first trains a study.

    Raises:
        UsageError: a device or a file does not exist.
        SearchError: nothing is left but studies that cannot be served here.
        Interrupted: a signal came; the workers have ended.
    """
    allowed = parse_allowed(allow)
    machine = prepare_machine(settings)
    with storage_url(settings) as address, open_database(url.parse(address)) as database:
        database.check_writable()
        job = WorkerJob(storage=address, study="", objective=None, settings=settings, device="cpu", threads=1)
        jobs = machine.place(job)
        until = "until none is left" if once else "until this process is ended"
        tell(f"serving every open study with {count_noun(len(jobs), 'worker')}, {until}")
        Fleet(database, jobs, Served(allowed=allowed), once=once, tell=tell).run()
