"""Which devices, and how many CPU threads, each worker of a machine gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from objectives.base.device_names import CPU
from objectives.base.plurals import count_noun
from search.errors import UsageError
from search.settings import Settings
from search.workers.machine.accelerators import Device

MOST_ON_CPU = 8
"""The most workers of a CPU where no number was given."""
WORKER_BYTES = 512 * 2**20
"""Memory that a worker on the CPU takes by itself, beside its data and what it shares with the others."""


@dataclass(frozen=True, kw_only=True)
class WorkerCount:
    """How many workers a machine gets: at most one of the two is given."""

    workers: int | None = None
    """In all."""
    per_device: int | None = None
    """On each device, or group of devices."""

    @classmethod
    def of(cls, settings: Settings) -> WorkerCount:
        """Return what settings say."""
        return cls(workers=settings.workers, per_device=settings.workers_per_device)

    @property
    def is_given(self) -> bool:
        """Whether a user gave a number."""
        return self.workers is not None or self.per_device is not None


@dataclass(frozen=True, kw_only=True)
class Place:
    """What one worker gets."""

    devices: tuple[Device, ...]
    """One for each rank of a trial."""
    threads: int
    """CPU threads of each rank, 1 or more."""

    @property
    def visible(self) -> tuple[str, ...]:
        """UUIDs of its GPUs; empty if not all are known."""
        uuids = tuple(device.uuid for device in self.devices)
        return uuids if all(uuids) else ()


@dataclass(frozen=True, kw_only=True)
class Placement:
    """A place for each worker, and what to tell people of it."""

    places: tuple[Place, ...]
    notes: tuple[str, ...] = ()


def place_workers(
    devices: Sequence[Device],
    count: WorkerCount,
    *,
    devices_per_trial: int = 1,
    cores: int,
    memory: int | None = None,
) -> Placement:
    """Return a place for each worker: the devices, or groups of them, in turn; the cores divided into threads.

    Without a number there is one worker per GPU, to begin with, or, on the CPU, one per core: eight at most, and only
    as many as fit into memory.

    Args:
        devices: Those to use.
        count: How many workers.
        devices_per_trial: Devices that one trial trains on at once.
        cores: CPU cores to use.
        memory: Bytes to use; None if unknown.

    Raises:
        UsageError: there are fewer GPUs than one trial needs.
    """
    groups = group_devices(devices, devices_per_trial)
    on_cpu = all(device.name == CPU for device in devices)
    notes = []
    if left := 0 if on_cpu else len(devices) % devices_per_trial:
        notes.append(f"{count_noun(left, 'GPU')} left over: each trial trains on {devices_per_trial}")
    number = count.workers or (count.per_device or 1) * len(groups)
    if on_cpu and not count.is_given and len(groups) == 1:
        wanted = min(max(1, cores // devices_per_trial), MOST_ON_CPU)
        number = limit_by_memory(wanted, devices_per_trial, memory)
        if number < wanted and memory is not None:
            notes.append(
                f"{count_noun(number, 'worker')} instead of {wanted}, because only {memory / 2**30:.1f} GiB of memory "
                "are left (--workers W starts more)"
            )
    grows = not on_cpu and not count.is_given
    threads = 1 if grows else max(1, cores // (number * devices_per_trial))
    places = (Place(devices=groups[index % len(groups)], threads=threads) for index in range(number))
    return Placement(places=tuple(places), notes=tuple(notes))


def group_devices(devices: Sequence[Device], size: int) -> list[tuple[Device, ...]]:
    """Return neighbouring devices in groups of one size; those left over are in none. A CPU is a group by itself.

    Raises:
        UsageError: there are fewer GPUs than a group needs.
    """
    if size == 1:
        return [(device,) for device in devices]
    if all(device.name == CPU for device in devices):
        return [(device,) * size for device in devices]
    gpus = list(dict.fromkeys(device for device in devices if device.name != CPU))
    if len(gpus) < size:
        raise UsageError(
            f"each trial of this objective trains on {size} devices at once, but {count_noun(len(gpus), 'GPU')} can be "
            f"used ({', '.join(gpu.name for gpu in gpus)}); choose more with --device, or another machine"
        )
    return [tuple(gpus[start : start + size]) for start in range(0, len(gpus) - size + 1, size)]


def limit_by_memory(workers: int, processes: int, memory: int | None) -> int:
    """Return how many of these workers, of some processes each, fit into the memory; one always does."""
    return workers if memory is None else max(1, min(workers, memory // (WORKER_BYTES * processes)))
