"""Training a study's trials, on this machine or a cluster, with reports of progress."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from types import TracebackType

from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import SQLAlchemyError

from objectives.base.plurals import count_noun
from objectives.data.files.decoded import Progress as Decoding
from search.api.machines import Machine, prepare_machine
from search.api.session import Session
from search.errors import NothingToDo, SearchError
from search.export.trackers.following import FollowedStudy, follow
from search.export.trackers.registry import check_all
from search.export.trackers.tracker import Tracker
from search.settings import Settings
from search.signals import end_block_on_first
from search.study import create, prior_studies
from search.study import plan as plans
from search.study.plan import StudyRequest
from search.study.status_types import Status
from search.study.trials import Trials
from search.workers.job import WorkerJob
from search.workers.supervisor import Supervisor, WorkerPool
from storage.errors import format_command

REPORT_SECONDS = 1.0
AWAY = (SQLAlchemyError, StorageInternalError)


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The state of a study in training, as the callback of `run` gets it."""

    status: Status
    trials: Trials
    epochs: int
    """Epochs of a full training."""

    def __str__(self) -> str:
        """Return one line for people."""
        epochs, workers = self.status.epochs_trained, len(self.status.workers)
        return f"{self.status}, {count_noun(epochs, 'epoch')} trained, {count_noun(workers, 'worker')}"


Callback = Callable[[Progress], object]


def run_here(
    session: Session,
    request: StudyRequest,
    settings: Settings,
    progress: Callback | None,
    trackers: Sequence[str | Tracker] = (),
) -> Status:
    """Train a study that is open with this machine's devices, as requested; return its status.

    Raises:
        UsageError: the study cannot continue as requested, or there is no such device or tracker.
        SearchError: a worker failed, or a bug in the objective stopped the study.
    """
    check_all(trackers)
    with end_block_on_first(), closing(prepare_machine(settings)) as machine:
        session.resume(request)
        jobs = machine.plan_jobs(session)
        train(session, machine, jobs, seconds=request.seconds, progress=progress, trackers=trackers)
    status = session.view.status()  # also after a signal that the program's own handler has taken
    check_not_failed(status)
    return status


def train(
    session: Session,
    machine: Machine,
    jobs: list[WorkerJob],
    *,
    seconds: float | None = None,
    progress: Callback | None = None,
    trackers: Sequence[str | Tracker] = (),
) -> Status:
    """Train until the budget is spent, the study is stopped or `seconds` have passed; return its status.

    The trackers follow the study, which a budget that is spent already lets catch up.

    Raises:
        SearchError: a worker failed.
        Interrupted: a signal arrived; the workers have ended.
    """
    create.start_study(session.database, session.record.study_id, seconds)
    followed = FollowedStudy(
        name=session.record.name, uuid=session.record.uuid, address=session.address, home=session.settings.home
    )
    with follow(followed, trackers):
        supervise(session, machine, jobs, progress)
    return session.view.status()


def check_not_failed(status: Status) -> None:
    """Raise `SearchError` if an error stopped the study, on this machine or another."""
    if status.control == "failed":
        raise SearchError(status.stop_reason or "the study was stopped by an error")


def plan_joining(session: Session, machine: Machine, decoding: Decoding | None = None) -> list[WorkerJob]:
    """Check that this machine can train a study that another command runs; return one job for each worker.

    Raises:
        NothingToDo: the study was stopped.
        ReadOnlyStorage: the storage takes no writes.
        UsageError: this machine's objective or data differ from what the study was created with.
    """
    record = session.record
    if record.control != "run" or record.overdue:
        resume = format_command("resume", "--study", record.name)
        how = "paused" if record.control == "pause" else "stopped"
        raise NothingToDo(f"study {record.name!r} was {how}; `{resume}` starts it again")
    session.database.check_writable()  # a worker would wait for that, as after a failover
    request = StudyRequest(study=record.name, objective=session.objective)
    session.plan = plans.resolve_stored(record, request, session.settings, decoding, searches=False)
    create.check_policy(session.database, record, request, session.plan)
    prior_studies.list_names(session.database.engine, session.plan.spec)  # logs how many of them are gone
    return machine.plan_jobs(session)


def supervise(session: Session, machine: Machine, jobs: list[WorkerJob], progress: Callback | None) -> None:
    """Run the workers until they find nothing more to do, leaving the study's settings as they are.

    Where nothing is left to do, none is started.

    Raises:
        SearchError, Interrupted: as for `train`.
    """
    if session.view.budget().left == 0:
        return
    pool = WorkerPool(
        database=session.database, study_id=session.record.study_id, jobs=jobs, is_over=lambda: is_over(session)
    )
    supervisor = Supervisor(pool, machine.engine)
    if progress is None:
        supervisor.run(lambda: None)
        return
    with Reporter(session, progress) as reporter:
        supervisor.run(reporter)


def is_over(session: Session) -> bool:
    """Return whether no trial is left for another worker; False if the storage cannot be reached."""
    try:
        status = session.view.status()
    except AWAY:
        return False
    return status.budget.left == 0 or status.control not in ("run", "pause") or session.record.overdue


class Reporter:
    """Calls back at the start of the block, at its end, and in between once a second if something has changed."""

    def __init__(self, session: Session, callback: Callback) -> None:
        self._session = session
        self._callback = callback
        self._next = 0.0
        self._last: Progress | None = None
        self._failed = False

    def __enter__(self) -> Reporter:
        self._report()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._failed:
            self._report()

    def __call__(self) -> None:
        """Report if a second has passed since the last look and something has changed."""
        if time.monotonic() >= self._next:
            self._report(unless_unchanged=True)

    def _report(self, *, unless_unchanged: bool = False) -> None:
        try:
            status, trials = self._session.status_and_trials()
        except AWAY:
            return  # the workers wait for the storage, and so does the report
        progress = Progress(status=status, trials=trials, epochs=self._session.view.spec.epochs)
        self._next = time.monotonic() + REPORT_SECONDS
        shown = without_beats(progress)
        if unless_unchanged and shown == self._last:
            return
        self._last = shown
        try:
            self._callback(progress)
        except Exception:
            self._failed = True
            raise


def without_beats(progress: Progress) -> Progress:
    """Return the progress without the time since each worker's last heartbeat, which differs at every look."""
    workers = tuple(replace(worker, beat_s=0.0) for worker in progress.status.workers)
    return replace(progress, status=replace(progress.status, workers=workers))
