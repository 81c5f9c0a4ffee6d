"""What NVIDIA's driver tells of GPUs through its management library (NVML), without a CUDA context on any of them.

Structures and functions as in NVML's reference (https://docs.nvidia.com/deploy/nvml-api).
"""

from __future__ import annotations

import ctypes
import logging
from typing import Any

from search.workers.machine.accelerators import Gpu

LIBRARY = "libnvidia-ml.so.1"
TEXT_BYTES = 96
DIVIDED = 1
"""The mode of a GPU that is divided into slices."""

_log = logging.getLogger(__name__)


class NvmlError(OSError):
    """The library refused a call."""


class _Memory(ctypes.Structure):
    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


class Nvml:
    """The library; `list_gpus` opens and closes it by itself."""

    def __init__(self, library: Any = None) -> None:
        """Load the library, or take one that has its functions.

        Raises:
            OSError: it is not installed.
        """
        self._library = ctypes.CDLL(LIBRARY) if library is None else library

    def list_gpus(self) -> tuple[Gpu, ...]:
        """Return the machine's GPUs by their PCI addresses, without those that do not answer.

        Raises:
            NvmlError: the driver does not answer at all.
        """
        self._call("nvmlInit_v2")
        try:
            count = ctypes.c_uint()
            self._call("nvmlDeviceGetCount_v2", ctypes.byref(count))
            return tuple(gpu for index in range(count.value) if (gpu := self._read_gpu(index)) is not None)
        finally:
            self._library.nvmlShutdown()

    def open(self) -> None:
        """Begin to use the library, until this process ends.

        Raises:
            NvmlError: the driver does not answer.
        """
        self._call("nvmlInit_v2")

    def find_gpu(self, uuid: str) -> ctypes.c_void_p | None:
        """Return the handle of a GPU for an open library; None if it is divided into slices.

        Raises:
            NvmlError: it is not here, or does not answer.
        """
        handle = self._get_handle("nvmlDeviceGetHandleByUUID", ctypes.c_char_p(uuid.encode()))
        return handle if self._list_slices(handle) is None else None

    def read_energy(self, gpu: ctypes.c_void_p) -> int:
        """Return the millijoules that a GPU has taken since its driver was loaded.

        Raises:
            NvmlError: it does not count them, as those before Volta, or does not answer.
        """
        energy = ctypes.c_ulonglong()
        self._call("nvmlDeviceGetTotalEnergyConsumption", gpu, ctypes.byref(energy))
        return energy.value

    def _read_gpu(self, index: int) -> Gpu | None:
        try:
            handle = self._get_handle("nvmlDeviceGetHandleByIndex_v2", ctypes.c_uint(index))
            slices = self._list_slices(handle)
            return self._describe(handle, slices)
        except NvmlError as error:
            _log.warning("GPU %d does not answer (%s) and is left out", index, error)
            return None

    def _list_slices(self, handle: ctypes.c_void_p) -> tuple[Gpu, ...] | None:
        """Return the slices of a GPU; None if it is not divided."""
        mode, pending, most = ctypes.c_uint(), ctypes.c_uint(), ctypes.c_uint()
        try:
            self._call("nvmlDeviceGetMigMode", handle, ctypes.byref(mode), ctypes.byref(pending))
        except NvmlError:  # a model that cannot be divided
            return None
        if mode.value != DIVIDED:
            return None
        self._call("nvmlDeviceGetMaxMigDeviceCount", handle, ctypes.byref(most))
        found = []
        for index in range(most.value):
            try:
                part = self._get_handle("nvmlDeviceGetMigDeviceHandleByIndex", handle, ctypes.c_uint(index))
            except NvmlError:  # no slice has this number
                continue
            found.append(self._describe(part, None))
        return tuple(found)

    def _describe(self, handle: ctypes.c_void_p, slices: tuple[Gpu, ...] | None) -> Gpu:
        memory = _Memory()
        self._call("nvmlDeviceGetMemoryInfo", handle, ctypes.byref(memory))
        return Gpu(
            uuid=self._read_text("nvmlDeviceGetUUID", handle),
            model=self._read_text("nvmlDeviceGetName", handle),
            memory=memory.total,
            divided=slices is not None,
            slices=slices or (),
        )

    def _get_handle(self, function: str, *arguments: object) -> ctypes.c_void_p:
        handle = ctypes.c_void_p()
        self._call(function, *arguments, ctypes.byref(handle))
        return handle

    def _read_text(self, function: str, handle: ctypes.c_void_p) -> str:
        text = ctypes.create_string_buffer(TEXT_BYTES)
        self._call(function, handle, text, ctypes.c_uint(TEXT_BYTES))
        return text.value.decode()

    def _call(self, function: str, *arguments: object) -> None:
        code = getattr(self._library, function)(*arguments)
        if code != 0:
            raise NvmlError(f"{function} returned {code}")
