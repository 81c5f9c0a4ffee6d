"""A machine's GPUs and their slices (MIG), and which of them a command may use, by their UUIDs.

Each worker's process sees its own device alone (`CUDA_VISIBLE_DEVICES`), so that CUDA makes a context on no other one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from objectives.base.device_names import CPU, UUID_PREFIXES
from search.errors import UsageError
from spaces.suggestions import suggest_and_list

VISIBLE = "CUDA_VISIBLE_DEVICES"
SLICE_PREFIX = "MIG-"


@dataclass(frozen=True, kw_only=True)
class Device:
    """What a worker trains on, as this command sees the machine."""

    name: str
    """`cpu`, or `cuda:3` for the fourth GPU, or slice of one, that this command may use."""
    uuid: str = ""
    """The driver's name for it; empty for a CPU, and where the driver does not tell."""
    model: str = ""
    memory: int = 0
    """Bytes; 0 if unknown."""

    def __str__(self) -> str:
        """Return one line for people."""
        size = f"{self.memory / 2**30:.0f} GiB" if self.memory else ""
        details = ", ".join(filter(None, (self.model, size, self.uuid)))
        return f"{self.name} ({details})" if details else self.name


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """A GPU of the machine, or a slice of one."""

    uuid: str
    model: str
    memory: int
    """Bytes."""
    divided: bool = False
    """Whether it is divided into slices, so that nothing runs on it as a whole."""
    slices: tuple[Gpu, ...] = ()


class Driver(Protocol):
    """What knows the GPUs of a machine."""

    def list_gpus(self) -> tuple[Gpu, ...]:
        """Return all of them, in the order of CUDA's numbers."""


def list_visible(gpus: Sequence[Gpu], visible: str | None) -> list[Device]:
    """Return the devices that CUDA_VISIBLE_DEVICES leaves, numbered in its order.

    Numbers and UUIDs mean what they mean to CUDA: the first number that no GPU has hides all that follow. All the
    slices of a GPU are devices; a slice that the driver does not list is taken as it is given.

    Args:
        gpus: Those of the machine.
        visible: The variable's value; None if it is not set.

    Raises:
        UsageError: the variable names a GPU by a UUID that none has, which CUDA would pass over in silence.
    """
    usable = [part for gpu in gpus for part in _divide(gpu)]
    if visible is not None:
        usable = []
        for entry in visible.split(","):
            found = _find_visible(entry.strip(), gpus)
            if not found:
                break
            usable += [gpu for gpu in found if gpu not in usable]
    return [
        Device(name=f"cuda:{index}", uuid=gpu.uuid, model=gpu.model, memory=gpu.memory)
        for index, gpu in enumerate(usable)
    ]


def sort_as_cuda(gpus: Sequence[Gpu], uuids: Sequence[str]) -> tuple[Gpu, ...]:
    """Return GPUs in the order in which CUDA numbers them; those that it does not tell of follow."""
    places = {uuid: place for place, uuid in enumerate(uuids)}
    return tuple(sorted(gpus, key=lambda gpu: places.get(gpu.uuid, len(places))))


def _divide(gpu: Gpu) -> tuple[Gpu, ...]:
    return gpu.slices if gpu.divided else (gpu,)


def _find_visible(entry: str, gpus: Sequence[Gpu]) -> tuple[Gpu, ...]:
    if not entry.startswith(UUID_PREFIXES):
        return _divide(gpus[int(entry)]) if entry.isdecimal() and int(entry) < len(gpus) else ()
    known = [*gpus, *(part for gpu in gpus for part in gpu.slices)]
    found = [gpu for gpu in known if gpu.uuid.casefold().startswith(entry.casefold())]
    if len(found) == 1:
        return _divide(found[0])
    if not found and entry.startswith(SLICE_PREFIX):
        return (Gpu(uuid=entry, model="", memory=0),)
    rule = "is the beginning of several GPUs' UUIDs" if found else "is no GPU's UUID"
    raise UsageError(f"{VISIBLE} has {entry!r}, which {rule}; {suggest_and_list(entry, [gpu.uuid for gpu in known])}")


def find_cpu() -> Device:
    """Return the device of a machine without GPUs."""
    return Device(name=CPU)
