"""The memory of GPUs, as `nvidia-smi` tells it, which needs no CUDA in this process."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

COMMAND = ("nvidia-smi", "--query-gpu=memory.used,memory.total", "--format=csv,noheader,nounits")

USABLE = 0.8
"""Share of a GPU's memory that workers may use: the trials to come may be larger than those seen."""


@dataclass(frozen=True, kw_only=True)
class GpuMemory:
    """The memory that all processes together use, and the whole memory, in MiB."""

    used: int
    total: int


def read_gpu_memory(device: str, environment: Mapping[str, str] = os.environ) -> GpuMemory | None:
    """Return the memory of a device such as `cuda:0`; None if it cannot be told.

    `CUDA_VISIBLE_DEVICES` renumbers devices for CUDA, but not for nvidia-smi.
    """
    index = int(device.partition(":")[2] or 0)
    visible = [name.strip() for name in environment.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    if visible and index >= len(visible):
        return None
    try:
        shown = subprocess.run(
            [*COMMAND, "-i", visible[index] if visible else str(index)],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
        used, total = (int(number) for number in shown.stdout.splitlines()[0].split(","))
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None
    return GpuMemory(used=used, total=total)


class MemoryBudget:
    """How many workers fit into a GPU's memory, from what those that run use."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._before = read_gpu_memory(device)

    def count_fitting(self, workers: int) -> int:
        """Return how many workers fit if each uses what each of `workers` uses now; `workers` if that is unknown."""
        now = read_gpu_memory(self._device)
        if now is None or self._before is None:
            return workers
        each = max(1.0, (now.used - self._before.used) / workers)
        return int(USABLE * (now.total - self._before.used) / each)
