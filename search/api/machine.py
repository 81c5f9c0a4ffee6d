"""What this machine trains with: its devices, cores and memory, divided among workers."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from search.api.session import Session
from search.settings import Settings
from search.workers import devices, processes
from search.workers.job import WorkerJob
from search.workers.machine.accelerators import Device
from search.workers.machine.placement import WorkerCount, place_workers
from search.workers.machine.resources import count_cores, measure_memory
from search.workers.supervisor import plan_jobs
from storage.records.blob_stores import open_store

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What this machine trains with."""

    devices: list[Device]
    count: WorkerCount
    cores: int
    memory: int | None
    """Bytes that may be used; None if unknown."""

    def plan_jobs(self, session: Session, *, devices_per_trial: int = 1) -> list[WorkerJob]:
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
        return self.place(job, devices_per_trial=devices_per_trial)

    def place(self, job: WorkerJob, *, devices_per_trial: int = 1) -> list[WorkerJob]:
        """Return a job like this one for each worker; log what limits them."""
        placement = place_workers(
            self.devices, self.count, devices_per_trial=devices_per_trial, cores=self.cores, memory=self.memory
        )
        for text in placement.notes:
            _log.warning(text)
        return plan_jobs(job, placement.places)


def prepare_machine(settings: Settings) -> Machine:
    """Check the devices and the place for checkpoints, and start the server that workers are forked from.

    Raises:
        UsageError: a device does not exist.
        BadURL: checkpoints cannot be kept at that place.
    """
    found = devices.list_devices(settings.device)
    open_store(settings.checkpoint_place)
    processes.start_fork_server()  # it takes seconds to import torch, so let it begin now
    return Machine(
        devices=found,
        count=WorkerCount(workers=settings.workers, per_device=settings.workers_per_device),
        cores=count_cores(),
        memory=measure_memory(),
    )
