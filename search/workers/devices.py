"""Which devices this machine's workers run on, and how many workers; torch is asked only where it must be."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from search.errors import UsageError
from search.workers import processes

# Where drivers of NVIDIA, AMD and Windows' subsystem for Linux show themselves.
NODES = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/kfd", "/dev/dxg")


def list_devices(request: str) -> list[str]:
    """The devices that `cpu`, `cuda`, `all` or a list such as `cuda:0,cuda:1` stands for.

    Torch takes seconds to import, so it is asked, in a process of its own, only where there may be a GPU.

    Raises:
        UsageError: a device that is not there, with those that are.
    """
    if request == "cpu":
        return ["cpu"]
    if may_have_gpu():
        return list(processes.call_in_process(processes.fork_server_context(), _resolve, request))
    if request != "all":
        raise UsageError(f"there is no device {request!r} here; there is cpu")
    return ["cpu"]


def may_have_gpu() -> bool:
    """Whether a GPU's driver is there; without one, or on a system torch has no CUDA for, there is none."""
    return sys.platform == "linux" and any(Path(node).exists() for node in NODES)


def count_cores() -> int:
    """CPU cores that this process may use."""
    affinity: Callable[[int], set[int]] | None = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def _resolve(request: str) -> list[str]:
    from objectives.base.device import resolve_devices

    return resolve_devices(request)
