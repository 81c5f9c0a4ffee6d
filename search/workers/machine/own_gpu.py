"""A process's own GPU: chosen before its first use, and waited for asleep.

Where a process waits for its GPU, CUDA lets it spin on a core by default. As many workers as cores would then leave
none to the server, and to the threads that report. (CUDA Driver API, "Primary Context Management",
https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__PRIMARY__CTX.html)
"""

from __future__ import annotations

import ctypes
import logging
from typing import Any

import torch

DRIVER = "libcuda.so.1"
SLEEP = 4
"""CU_CTX_SCHED_BLOCKING_SYNC: the thread sleeps until the GPU has finished."""

_log = logging.getLogger(__name__)


def use_device(device: torch.device) -> None:
    """Make a GPU the one that this process uses unless another is named, and wait for it asleep; for a CPU, nothing."""
    if device.type == "cuda":
        sleep_while_waiting(device.index or 0)
        torch.cuda.set_device(device)


def sleep_while_waiting(index: int, driver: Any = None) -> bool:
    """Return whether this process will sleep while it waits for a GPU; called before the first use of the GPU.

    Args:
        index: The GPU's number among those that this process sees.
        driver: What has the functions of CUDA's driver; None for the driver.
    """
    handle = ctypes.c_int()
    try:
        library = ctypes.CDLL(DRIVER) if driver is None else driver
        code = int(
            library.cuInit(0)
            or library.cuDeviceGet(ctypes.byref(handle), index)
            or library.cuDevicePrimaryCtxSetFlags_v2(handle, SLEEP)
        )
    except (OSError, AttributeError) as error:  # GPUs that are not NVIDIA's; an older driver
        _log.debug("waiting for a GPU stays as it is: %s", error)
        return False
    if code != 0:
        _log.debug("waiting for GPU %d stays as it is: the driver returned %d", index, code)
    return code == 0
