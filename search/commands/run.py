"""`run`, `resume` and `worker`: train a study's trials on this machine."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from objectives.core.discovery import is_path
from search import audit, creation, devices, experience, processes
from search import plan as plans
from search.access import storage_url
from search.commands.output import Decoding, configuration, document, err, note, out, say
from search.errors import Interrupted, NothingToDo, SearchError, UsageError
from search.fork import fork
from search.job import WorkerJob
from search.plan import Plan, Request
from search.settings import Settings
from search.status import Viewer
from search.supervisor import Crew, Supervisor, crew_jobs
from search.watch import Board, Lines
from storage import studies, url
from storage.database import Database, opened
from storage.stores import open_store
from storage.studies import StudyRecord


def named(study: str | None, objective: str | None) -> str:
    """The study's name: as given, or the objective's.

    Raises:
        UsageError: neither is given.
    """
    if study is not None:
        return study
    if objective is None:
        raise UsageError("say which study: --study NAME (see `search list` and `search space`)")
    return Path(objective).stem.replace("_", "-") if is_path(objective) else objective


def run_study(request: Request, settings: Settings, *, create: bool, as_json: bool) -> None:
    """Create or continue a study and train until its budget is spent; print the best configuration."""
    # What cannot be had must not leave a study behind.
    there = devices.names(settings.device)
    open_store(settings.checkpoint_place)
    processes.context()  # its server takes seconds to import torch: let it begin now
    with storage_url(settings) as address, opened(url.parse(address)) as database:
        record, plan = _open(database, request, settings, create=create)
        for text in plan.notes:
            note(f"note: {text}")
        learnt = experience.names(database.engine, plan.spec)
        viewer = Viewer(database, record.name)
        before = viewer.status()["budget"]["left"]
        try:
            if before:
                job = _job(address, replace(request, study=record.name), settings)
                jobs = crew_jobs(job, there, settings.workers, devices.cores())
                _announce(record, plan, before, jobs, learnt)
                _train(database, viewer, jobs, as_json=as_json)
        except Interrupted:
            note(f"stopped; continue with: search resume --study {record.name}")
            raise
        _conclude(viewer, as_json=as_json)


def lend(request: Request, settings: Settings) -> None:
    """Train trials of a study that exists, leaving its settings as they are."""
    there = devices.names(settings.device)
    open_store(settings.checkpoint_place)
    processes.context()
    with storage_url(settings) as address, opened(url.parse(address)) as database:
        record = studies.get(database.engine, request.study)
        if record.control != "run" or record.overdue:
            raise NothingToDo(
                f"study {record.name!r} was stopped; `search resume --study {record.name}` starts it again"
            )
        with Decoding("decoding") as progress:
            plan = plans.rebuild(record, request, settings, progress)
        experience.names(database.engine, plan.spec)  # for what it says of those that are gone
        jobs = crew_jobs(_job(address, request, settings), there, settings.workers, devices.cores())
        _train(database, Viewer(database, record.name), jobs, as_json=True)


def _open(database: Database, request: Request, settings: Settings, *, create: bool) -> tuple[StudyRecord, Plan]:
    opener = creation.create_or_continue if create else creation.resume
    if request.fork is not None:
        opener = fork
    with Decoding(f"decoding data for {request.study}") as progress:
        return opener(database, request, settings, progress)


def _announce(record: StudyRecord, plan: Plan, left: int, jobs: list[WorkerJob], learnt: list[str]) -> None:
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


def _job(address: str, request: Request, settings: Settings) -> WorkerJob:
    """What all workers of this command have in common."""
    objective = request.objective
    if objective is not None and is_path(objective):
        objective = str(Path(objective).resolve())
    return WorkerJob(
        storage=address, study=request.study, objective=objective, settings=settings, device="cpu", threads=1
    )


def _train(database: Database, viewer: Viewer, jobs: list[WorkerJob], *, as_json: bool) -> None:
    supervisor = Supervisor(Crew(database=database, study_id=viewer.record.study_id, jobs=jobs))
    with _display(viewer, as_json=as_json) as watch:
        supervisor.run(watch)


def _display(viewer: Viewer, *, as_json: bool) -> Lines:
    if as_json or not sys.stdout.isatty():
        return Lines(viewer, err() if as_json else out())
    return Board(viewer, out())


def _conclude(viewer: Viewer, *, as_json: bool) -> None:
    status = viewer.status()
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
    pruning = audit.said(status["pruning"])
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
