"""The devices of this machine. Torch, which takes seconds to import, is asked only if there may be a GPU."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from search.errors import UsageError
from search.workers import processes

# Device files of the drivers of NVIDIA, AMD and Windows Subsystem for Linux.
NODES = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/kfd", "/dev/dxg")


def list_devices(request: str) -> list[str]:
    """Return the names of the devices that `cpu`, `cuda`, `all` or a list such as `cuda:0,cuda:1` stands for.

    Raises:
        UsageError: a device does not exist here; the message lists those that do.
    """
    if request == "cpu":
        return ["cpu"]
    if may_have_gpu():
        return list(processes.call_in_process(processes.start_fork_server(), _resolve, request))
    if request != "all":
        raise UsageError(f"there is no device {request!r} here; there is cpu")
    return ["cpu"]


def may_have_gpu() -> bool:
    """Return whether a GPU's driver is installed, on a system for which torch supports GPUs."""
    return sys.platform == "linux" and any(Path(node).exists() for node in NODES)


def count_cores() -> int:
    """Return the number of CPU cores that this process may use."""
    affinity: Callable[[int], set[int]] | None = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def _resolve(request: str) -> list[str]:
    from objectives.base.device import resolve_devices

    return resolve_devices(request)
