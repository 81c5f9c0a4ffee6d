"""The machines that train a study: this one, or those of a cluster."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Protocol

from search.api.session import Session
from search.settings import Settings
from search.workers.engines.local import LocalEngine
from search.workers.engines.placement import Placement, check_local, plan_cluster
from search.workers.job import WorkerJob
from search.workers.machine import devices
from search.workers.machine.accelerators import Device
from search.workers.machine.placement import WorkerCount, place_workers
from search.workers.machine.resources import count_cores, measure_memory
from search.workers.supervisor import Engine, plan_jobs
from storage.errors import StoreFailed
from storage.records.blob_stores import open_store

HERE = Placement()

_log = logging.getLogger(__name__)


class ClosingEngine(Engine, Protocol):
    """An engine that holds something until it is closed."""

    def close(self) -> None:
        """End what the engine has started; a second call does nothing."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What a run trains with: this machine, or what a cluster was asked for."""

    engine: ClosingEngine
    devices: list[Device]
    count: WorkerCount
    cores: int
    memory: int | None = None
    """Bytes that may be used; None if unknown."""
    cluster: str | None = None
    """Its name, and what each worker gets of it; None for this machine."""
    notes: tuple[str, ...] = ()
    """What to know before workers start, one sentence each."""
    flags: tuple[str, ...] = ()
    """What a command needs that is to train with the same again."""

    def plan_jobs(self, session: Session) -> list[WorkerJob]:
        """Return one job for each worker.

        Raises:
            UsageError: there are fewer GPUs than one trial trains on.
        """
        job = WorkerJob(
            storage=session.address,
            study=session.record.name,
            objective=session.objective,
            settings=session.settings,
            device="cpu",
            threads=1,
            checked=None if session.plan is None else session.plan.prepared.stamp,
        )
        plan = session.plan
        return self.place(job, devices_per_trial=1 if plan is None else plan.found.objective.devices)

    def place(self, job: WorkerJob, *, devices_per_trial: int = 1) -> list[WorkerJob]:
        """Return a job like this one for each worker; log what limits them."""
        placement = place_workers(
            self.devices, self.count, devices_per_trial=devices_per_trial, cores=self.cores, memory=self.memory
        )
        for text in placement.notes:
            _log.warning(text)
        return plan_jobs(job, placement.places)

    def describe(self, jobs: list[WorkerJob]) -> str:
        """Return where workers start, for people."""
        return self.cluster or ", ".join(dict.fromkeys(job.place for job in jobs))

    def close(self) -> None:
        """End what was started for the workers; a second call does nothing."""
        self.engine.close()


def prepare_machine(settings: Settings, placement: Placement = HERE) -> Machine:
    """Check the devices and the place for checkpoints, and start what workers are started by.

    Close the machine after use.

    Raises:
        UsageError: a device does not exist, a flag breaks a rule, or other machines cannot reach the storage.
        BadURL: checkpoints cannot be kept at that place, and that does not pass by itself.
        SearchError: the cluster cannot be used.
    """
    if placement.engine == "ray":
        return _prepare_cluster(settings, placement)
    check_local(placement)
    found = devices.list_devices(settings.device)
    store, engine = open_store(settings.checkpoint_place), LocalEngine()
    try:
        store.check()
    except StoreFailed as error:
        _log.warning("no checkpoint can be kept at present; interrupted trials begin again: %s", error)
    return Machine(
        engine=engine,
        devices=found,
        count=WorkerCount.of(settings),
        cores=count_cores(),
        memory=measure_memory(),
    )


def _prepare_cluster(settings: Settings, placement: Placement) -> Machine:
    from search.workers.engines.ray_engine import RayEngine

    request = plan_cluster(placement, settings)
    open_store(settings.checkpoint_place)
    engine = RayEngine(request)
    notes = []
    if request.storage.had_password:
        notes.append(
            "the storage's password stays here; workers take it from ~/.pgpass, PGPASSFILE or SEARCH_STORAGE of their "
            "machine"
        )
    if settings.checkpoints is None:
        notes.append(
            "without a setting for checkpoints, a trial that moves to a machine with another home folder starts at "
            "epoch 0 again"
        )
    return Machine(
        engine=engine,
        devices=[Device(name=request.device)],
        count=WorkerCount(workers=request.workers),
        cores=request.workers * request.share.cpus,
        cluster=str(engine),
        notes=tuple(notes),
        flags=("--workers", str(request.workers), "--device", settings.device, *placement.flags),
    )
