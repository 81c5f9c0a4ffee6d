"""The memory of GPUs, as `nvidia-smi` tells it, which needs no CUDA in this process."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

COMMAND = ("nvidia-smi", "--query-gpu=uuid,memory.used,memory.total", "--format=csv,noheader,nounits")

USABLE = 0.8
"""Share of a GPU's memory that workers may use: the trials to come may be larger than those seen."""


@dataclass(frozen=True, kw_only=True)
class GpuMemory:
    """The memory that all processes together use, and the whole memory, in MiB."""

    used: int
    total: int


def read_gpu_memory() -> dict[str, GpuMemory]:
    """Return the memory of the machine's GPUs, by their UUIDs; nothing where it cannot be told."""
    try:
        shown = subprocess.run(COMMAND, capture_output=True, text=True, timeout=10, check=True)
        lines = [line.split(", ") for line in shown.stdout.splitlines()]
        return {uuid: GpuMemory(used=int(used), total=int(total)) for uuid, used, total in lines}
    except (OSError, subprocess.SubprocessError, ValueError):
        return {}


class MemoryBudget:
    """How many workers fit into each GPU's memory, from what those that run use."""

    def __init__(self, uuids: Sequence[str]) -> None:
        """Look at what is used before workers start."""
        self._uuids = uuids
        self._before = read_gpu_memory()

    def count_fitting(self, workers: int) -> int:
        """Return how many workers fit on each GPU, the fullest one above all, if each uses what each does now.

        workers: those of each GPU that run. It is also the answer where memory cannot be told, as of slices.
        """
        now = read_gpu_memory()
        if not self._uuids or not all(uuid in now and uuid in self._before for uuid in self._uuids):
            return workers
        return min(_count_fitting(workers, self._before[uuid], now[uuid]) for uuid in self._uuids)


def _count_fitting(workers: int, before: GpuMemory, now: GpuMemory) -> int:
    each = max(1.0, (now.used - before.used) / workers)
    return int(USABLE * (now.total - before.used) / each)
