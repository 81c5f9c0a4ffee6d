"""A rank's process: finds the objective and the data as its worker did, and trains with the other ranks."""

from __future__ import annotations

import os
import signal
import sys
import time
from datetime import timedelta
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import torch
import torch.distributed as dist

from objectives.base.device import is_broken
from objectives.base.errors import Diverged, OutOfMemory, StopTraining, first_line
from objectives.core.objective import Objective
from objectives.core.run import train
from objectives.data import seal
from objectives.data.batches.examples import TrainValidation, load
from objectives.data.files.errors import DataError
from objectives.discovery import make_importable
from objectives.models.weights import PackedNetwork
from objectives.training.device_group import DeviceGroup
from search.errors.bugs import describe_bug
from search.logs import configure, send_prints_to_stderr
from search.signals import ENDING
from search.study.plan import StudyRequest, resolve_stored
from search.workers.machine.own_gpu import use_device
from search.workers.ranks.link import FirstCallback, FollowerCallback, Link, report_through
from search.workers.ranks.messages import Ended, Failed, RankJob
from storage import url

LONGEST_WAIT_SECONDS = 3600.0
"""How long ranks wait for each other at least: longer than the worker does for a storage that is away, or a hang."""
LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"
LIBRARIES, TIMEOUT = ("gloo", "NCCL"), "Timed out"
"""What torch's messages contain if another rank is gone, and if it is not but does something else: a bug."""


def run_rank(job: RankJob, connection: Connection) -> None:
    """Train one trial, tell how it ended, and wait for the worker to end this process."""
    configure()
    send_prints_to_stderr()
    _leave_signals_to_worker()
    for name in url.VARIABLES:  # the storage is the worker's alone
        os.environ.pop(name, None)
    link = Link(connection, Path(job.rendezvous).parent)
    try:
        objective, data = _prepare(job)
        _join(job, data.device)
    except Exception as error:  # another process may hold the device; files may have changed since
        text = f"{type(error).__name__}: {first_line(error)}"
        link.send(Failed(cause="data" if isinstance(error, DataError) else "lost", text=text, at=time.monotonic()))
    else:
        link.send(_train(job, objective, data, link))
    link.wait_for_end()


def _leave_signals_to_worker() -> None:
    """Ignore what asks to end: the worker gets it as well, and its ranks still have to give it their state.

    What an objective forks, such as a pool's processes, ends by SIGTERM.
    """
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)
    os.register_at_fork(after_in_child=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL))


def _prepare(job: RankJob) -> tuple[Objective, TrainValidation]:
    """Find the objective, which must be the study's own, and load the data onto the rank's device."""
    plan = job.plan
    torch.set_num_threads(plan.threads)
    # First of all: to read the objective's file is to run it.
    seal.install(seal.find_sealed_paths(plan.settings.data, plan.settings.cache))
    request = StudyRequest(study=plan.record.name, objective=plan.objective)
    resolved = resolve_stored(plan.record, request, plan.settings, checked=plan.checked)
    make_importable(resolved.found)
    device, objective = torch.device(job.device), resolved.found.objective
    use_device(device)
    return objective, load(resolved.prepared, resolved.split, device, classes=objective.classes)


def _join(job: RankJob, device: torch.device) -> None:
    """Initialize `torch.distributed`, on this machine's loopback alone, with the variables that torchrun sets."""
    rank, ranks = job.share.rank, job.share.ranks
    os.environ |= {"GLOO_SOCKET_IFNAME": LOOPBACK, "NCCL_SOCKET_IFNAME": LOOPBACK}
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(ranks), "LOCAL_WORLD_SIZE": str(ranks)}
    on_gpu = device.type == "cuda"
    dist.init_process_group(
        "nccl" if on_gpu else "gloo",
        store=dist.FileStore(job.rendezvous, ranks),  # type: ignore[attr-defined]
        rank=rank,
        world_size=ranks,
        timeout=timedelta(seconds=LONGEST_WAIT_SECONDS + 2 * job.plan.settings.hung_seconds),
        device_id=device if on_gpu else None,
    )


def _train(job: RankJob, objective: Objective, data: TrainValidation, link: Link) -> Ended | Failed:
    """Train the trial, and return what to tell the worker of its end."""
    task, group = job.task, DeviceGroup(share=job.share)
    first = FirstCallback(link, task.state, task.wants_layers)
    shipped = objective.train is None
    report = partial(report_through, link)
    try:
        network = train(
            objective,
            task.config,
            data,
            report if group.is_first or not shipped else lambda epoch, metrics: None,
            epochs=task.epochs,
            seed=task.seed,
            sources=task.sources,
            callback=first if group.is_first else FollowerCallback(task.state),
            step_mode=task.step_mode,
            group=group,
        )
        return Ended(network=PackedNetwork.pack(network) if group.is_first else None, peak_bytes=_read_peak(data))
    except Exception as error:
        return describe_end(error)


def describe_end(error: Exception) -> Ended | Failed:
    """Return what to tell the worker of a training that an exception has ended."""
    at = time.monotonic()
    match error:
        case StopTraining():
            return Ended()
        case Diverged():
            return Failed(cause="diverged", text=str(error), at=at)
        case OutOfMemory():
            return Failed(cause="out of memory", text=str(error), at=at, peak_bytes=error.peak_bytes)
        case DataError():
            return Failed(cause="data", text=str(error), at=at)
    if is_broken(error) or is_of_loss(error):
        return Failed(cause="lost", text=first_line(error), at=at)
    return Failed(cause="bug", text=str(error), at=at, bug=describe_bug(error))


def is_of_loss(error: BaseException | None) -> bool:
    """Return whether an error, or what led to it, says that another rank is gone."""
    while error is not None:
        text = str(error)
        if isinstance(error, RuntimeError) and any(name in text for name in LIBRARIES) and TIMEOUT not in text:
            return True
        error = error.__cause__ or error.__context__
    return False


def _read_peak(data: TrainValidation) -> int | None:
    """Return the most bytes that tensors have had on the rank's GPU at once; None on a CPU."""
    return int(torch.cuda.max_memory_allocated(data.device)) if data.device.type == "cuda" else None
