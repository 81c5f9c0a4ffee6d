"""What every trial of a worker shares, prepared once: the data on its device, the heartbeat, the checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from objectives.base.device import read_uuids
from objectives.core.objective import Objective
from objectives.data.batches.examples import TrainValidation, load
from objectives.reuse.context import Source
from objectives.training.engines.choice import StepMode
from search.strategies.budgets import share_slots
from search.study.plan import ResolvedStudy
from search.study.source_networks import fetch_sources
from search.workers.checkpointing import CheckpointInterval, CheckpointManager
from search.workers.heartbeat import Heartbeat
from search.workers.job import WorkerJob
from search.workers.machine.energy import EnergyMeter
from search.workers.machine.own_gpu import use_device
from search.workers.pending_report import PendingReport
from search.workers.ranks.messages import RankPlan
from search.workers.ranks.training import StartProcess
from storage.connecting.retry import with_retries
from storage.database import Database
from storage.leasing.fencing import LeaseFence
from storage.leasing.repeats import SharedSlots
from storage.records.blob_stores import open_store
from storage.records.studies import StudyRecord


@dataclass(frozen=True, kw_only=True)
class WorkerContext:
    """What every trial of a worker shares."""

    database: Database
    fence: LeaseFence
    heartbeat: Heartbeat
    pending: PendingReport
    checkpoint_manager: CheckpointManager
    objective: Objective
    data: TrainValidation
    sources: Mapping[str, Source]
    epochs: int
    seed: int
    shared: SharedSlots
    step_mode: StepMode
    job: WorkerJob
    ranks: RankPlan | None
    """What trials on several devices are given; None for those on one."""
    start_process: StartProcess
    energy: EnergyMeter
    """Of one trial after another."""


def prepare_context(
    job: WorkerJob,
    start_process: StartProcess,
    database: Database,
    record: StudyRecord,
    plan: ResolvedStudy,
    worker: str,
) -> WorkerContext:
    """Load the data onto the worker's device, and build what all its trials share."""
    settings, objective = job.settings, plan.found.objective
    device = torch.device("cpu" if job.peers else job.local_devices[0])  # ranks have theirs for themselves
    use_device(device)
    shared = share_slots(plan.spec)
    fence = LeaseFence(database.history, worker, settings.lease_seconds, shared)
    heartbeat = Heartbeat(database, fence, job, worker=worker, study_id=record.study_id)
    return WorkerContext(
        database=database,
        fence=fence,
        heartbeat=heartbeat,
        pending=PendingReport(heartbeat),
        checkpoint_manager=CheckpointManager(
            database=database,
            store=open_store(settings.checkpoint_place),
            record=record,
            interval=CheckpointInterval(settings.checkpoint_share),
            best=settings.checkpoints_kept,
        ),
        objective=objective,
        sources=with_retries(fetch_sources, database.engine, job.study, plan.spec, objective, settings.data),
        data=load(plan.prepared, plan.split, device, classes=objective.classes),
        epochs=plan.spec.epochs,
        seed=plan.spec.seed,
        shared=shared,
        step_mode=settings.step,
        job=job,
        ranks=plan_ranks(job, record) if job.peers else None,
        start_process=start_process,
        energy=EnergyMeter(job.visible or read_uuids(device)),
    )


def plan_ranks(job: WorkerJob, record: StudyRecord) -> RankPlan:
    """Return what a worker's ranks are given, which is nothing about the storage."""
    return RankPlan(
        record=record,
        objective=job.objective,
        settings=job.settings.model_copy(update={"storage": None}),
        checked=job.checked,
        devices=job.local_devices,
        threads=job.threads,
    )
