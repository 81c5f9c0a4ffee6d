"""The devices of this machine. Torch, which takes seconds to import, is asked only if there may be a GPU."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from objectives.base.device_names import match_devices
from objectives.base.errors import ObjectiveError
from search.errors import UsageError
from search.workers.machine import fork_server
from search.workers.machine.accelerators import VISIBLE, Device, Driver, Gpu, find_cpu, list_visible, sort_as_cuda
from search.workers.machine.nvml import Nvml

# Device files of the drivers of NVIDIA, AMD and Windows Subsystem for Linux.
NODES = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/kfd", "/dev/dxg")
ORDER = "CUDA_DEVICE_ORDER"

_log = logging.getLogger(__name__)


def list_devices(request: str) -> list[Device]:
    """Return the devices that `cpu`, `cuda`, `all`, or a list such as `cuda:0,cuda:1` or of UUIDs stands for.

    Raises:
        UsageError: a device does not exist here; the message lists those that do.
    """
    if request == "cpu":
        return [find_cpu()]
    if may_have_gpu():
        visible = os.environ.get(VISIBLE)
        return choose_devices(
            request, fork_server.call_in_process(fork_server.start_fork_server(), list_gpus_here, visible)
        )
    if request != "all":
        raise UsageError(f"there is no device {request!r} here; there is cpu")
    return [find_cpu()]


def choose_devices(request: str, gpus: Sequence[Device]) -> list[Device]:
    """Return the devices that a request stands for, of these GPUs and the CPU.

    Raises:
        UsageError: there is no such device, or a UUID's beginning is that of several.
    """
    there = {gpu.name: gpu for gpu in gpus}
    try:
        names = match_devices(request, {gpu.name: gpu.uuid for gpu in gpus})
    except ObjectiveError as error:
        raise UsageError(str(error)) from None
    return [there.get(name) or find_cpu() for name in names]


def may_have_gpu() -> bool:
    """Return whether a GPU's driver is installed, on a system for which torch supports GPUs."""
    return sys.platform == "linux" and any(Path(node).exists() for node in NODES)


def list_gpus_here(visible: str | None, driver: Driver | None = None) -> list[Device]:
    """Return the GPUs that torch can use; called in a process of its own, because it may start CUDA.

    Where NVIDIA's management library is missing, torch's own numbers are all that is known.

    Args:
        visible: CUDA_VISIBLE_DEVICES; None if it is not set.
        driver: What to ask; None for NVIDIA's.

    Raises:
        UsageError: CUDA_VISIBLE_DEVICES names a GPU that is not here.
    """
    import torch

    if torch.version.cuda is not None:
        try:
            gpus = (driver or Nvml()).list_gpus()
        except OSError as error:
            _log.debug("NVML: %s", error)
        else:
            return list_visible(_sort(gpus), visible)
    return [Device(name=f"cuda:{index}") for index in range(torch.cuda.device_count())]


def _sort(gpus: tuple[Gpu, ...]) -> tuple[Gpu, ...]:
    """Return GPUs in CUDA's order: unless told otherwise, it puts the fastest model first, and NVML does not."""
    if os.environ.get(ORDER) == "PCI_BUS_ID" or len({gpu.model for gpu in gpus}) < 2:
        return gpus
    import torch

    os.environ.pop(VISIBLE, None)
    try:
        there = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    except RuntimeError as error:  # workers will tell
        _log.debug("CUDA: %s", error)
        return gpus
    return sort_as_cuda(gpus, [f"GPU-{getattr(each, 'uuid', '')}" for each in there])
