"""`run`, `resume` and `worker`: train a study's trials on this machine."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from objectives.discovery import is_path
from search.connection import storage_url
from search.display.live_display import LiveTable, LogLines
from search.display.output import Decoding, configuration, document, err, note, out, say
from search.errors import Interrupted, NothingToDo, SearchError, UsageError
from search.settings import Settings
from search.strategies.pruners import audit
from search.study import plan as plans
from search.study import prior_studies
from search.study.create import create_or_continue, resume_study
from search.study.fork import fork_study
from search.study.plan import ResolvedStudy, StudyRequest
from search.study.status import StudyView
from search.workers import devices, processes
from search.workers.job import WorkerJob
from search.workers.supervisor import Supervisor, WorkerPool, plan_jobs
from storage import url
from storage.blob_stores import open_store
from storage.database import Database, open_database
from storage.records import studies
from storage.records.studies import StudyRecord


def study_name(study: str | None, objective: str | None) -> str:
    """The study's name: as given, or the objective's.

    Raises:
        UsageError: neither is given.
    """
    if study is not None:
        return study
    if objective is None:
        raise UsageError("say which study: --study NAME (see `search list` and `search space`)")
    return Path(objective).stem.replace("_", "-") if is_path(objective) else objective


def run_study(request: StudyRequest, settings: Settings, *, create: bool, as_json: bool) -> None:
    """Create or continue a study and train until its budget is spent; print the best configuration."""
    # What cannot be had must not leave a study behind.
    there = devices.list_devices(settings.device)
    open_store(settings.checkpoint_place)
    processes.fork_server_context()  # its server takes seconds to import torch: let it begin now
    with storage_url(settings) as address, open_database(url.parse(address)) as database:
        record, plan = _open(database, request, settings, create=create)
        for text in plan.notes:
            note(f"note: {text}")
        learnt = prior_studies.list_names(database.engine, plan.spec)
        view = StudyView(database, record.name)
        before = view.status()["budget"]["left"]
        try:
            if before:
                job = _job(address, replace(request, study=record.name), settings)
                jobs = plan_jobs(job, there, settings.workers, devices.count_cores())
                _announce(record, plan, before, jobs, learnt)
                _train(database, view, jobs, as_json=as_json)
        except Interrupted:
            note(f"stopped; continue with: search resume --study {record.name}")
            raise
        _conclude(view, as_json=as_json)


def lend_machine(request: StudyRequest, settings: Settings) -> None:
    """Train trials of a study that exists, leaving its settings as they are."""
    there = devices.list_devices(settings.device)
    open_store(settings.checkpoint_place)
    processes.fork_server_context()
    with storage_url(settings) as address, open_database(url.parse(address)) as database:
        record = studies.get(database.engine, request.study)
        if record.control != "run" or record.overdue:
            raise NothingToDo(
                f"study {record.name!r} was stopped; `search resume --study {record.name}` starts it again"
            )
        with Decoding("decoding") as progress:
            plan = plans.resolve_stored(record, request, settings, progress)
        prior_studies.list_names(database.engine, plan.spec)  # for what it says of those that are gone
        jobs = plan_jobs(_job(address, request, settings), there, settings.workers, devices.count_cores())
        _train(database, StudyView(database, record.name), jobs, as_json=True)


def _open(
    database: Database, request: StudyRequest, settings: Settings, *, create: bool
) -> tuple[StudyRecord, ResolvedStudy]:
    opener = create_or_continue if create else resume_study
    if request.fork is not None:
        opener = fork_study
    with Decoding(f"decoding data for {request.study}") as progress:
        return opener(database, request, settings, progress)


def _announce(record: StudyRecord, plan: ResolvedStudy, left: int, jobs: list[WorkerJob], learnt: list[str]) -> None:
    prepared = plan.prepared
    used = ", ".join(dict.fromkeys(job.device for job in jobs))
    note(
        f"study {record.name}: {left} of {record.trials} trials to go, up to {plan.spec.epochs} epochs each, on "
        f"{len(plan.split.train)} + {len(plan.split.validation)} images of {prepared.name}; "
        f"starting {len(jobs)} workers on {used}"
    )
    if learnt:
        studies_ = "study" if len(learnt) == 1 else "studies"
        note(f"learning from {len(learnt)} earlier {studies_}: {', '.join(learnt)}")


def _job(address: str, request: StudyRequest, settings: Settings) -> WorkerJob:
    """What all workers of this command have in common."""
    objective = request.objective
    if objective is not None and is_path(objective):
        objective = str(Path(objective).resolve())
    return WorkerJob(
        storage=address, study=request.study, objective=objective, settings=settings, device="cpu", threads=1
    )


def _train(database: Database, view: StudyView, jobs: list[WorkerJob], *, as_json: bool) -> None:
    supervisor = Supervisor(WorkerPool(database=database, study_id=view.record.study_id, jobs=jobs))
    with _display(view, as_json=as_json) as watch:
        supervisor.run(watch)


def _display(view: StudyView, *, as_json: bool) -> LogLines:
    if as_json or not sys.stdout.isatty():
        return LogLines(view, err() if as_json else out())
    return LiveTable(view, out())


def _conclude(view: StudyView, *, as_json: bool) -> None:
    status = view.status()
    if as_json:
        document(status)
    if status["control"] == "failed":
        raise SearchError(status["stop_reason"] or "the study was stopped by an error")
    if as_json:
        return
    states = status["states"]
    say(
        f"study {status['study']}: {states['complete']} trials complete, {states['pruned']} pruned, "
        f"{status['budget']['left']} left of {status['budget']['trials']}"
    )
    pruning = audit.describe_audit(status["pruning"])
    if pruning is not None:
        say(pruning)
    best = status["best"]
    if best is None:
        say("no trial has completed yet")
        return
    when = "" if best["epoch"] is None else f", epoch {best['epoch'] + 1}"
    say(f"best validation accuracy {best['value']:.4f} (trial {best['trial']}{when})")
    say(configuration(best["params"]))
    say(f"next: search final --study {status['study']}")
