"""Whether this process can use the first GPU, by the driver alone; run as a script, it imports nothing of ours."""

from __future__ import annotations

import ctypes
import sys


def use_cuda() -> int:
    """Create and leave a context on the first GPU; return the driver's error code, 0 for none."""
    driver = ctypes.CDLL("libcuda.so.1")
    handle = ctypes.c_void_p()
    retained = driver.cuInit(0) or driver.cuDevicePrimaryCtxRetain(ctypes.byref(handle), 0)
    return int(retained or driver.cuDevicePrimaryCtxRelease(0))


if __name__ == "__main__":
    sys.exit(use_cuda() != 0)
