"""A machine with eight GPUs, as its driver tells of it, and NVIDIA's management library on such a machine."""

from __future__ import annotations

import ctypes
from collections.abc import Collection, Sequence
from typing import Any

from search.workers.machine.accelerators import Device, Gpu, list_visible

COUNT = 8
MODEL = "NVIDIA H100 80GB HBM3"
GPU_BYTES, SLICE_BYTES = 80 * 2**30, 10 * 2**30
NOT_SUPPORTED, NOT_FOUND, LOST = 3, 6, 15
SLICES = 7


def gpu_uuid(index: int) -> str:
    """Return the UUID of a GPU."""
    return f"GPU-{index}f3c2a10-5d1e-4a7b-9c60-8e2d4b6f0a1{index}"


def slice_uuid(index: int, part: int) -> str:
    """Return the UUID of a slice of a GPU."""
    return f"MIG-{index}{part}b7d9e2-0c4f-5e81-a3d6-7f1b9c2e4d5{part}"


class EightGpus:
    """The machine.

    divided: the numbers of the GPUs that are in two slices each.
    """

    def __init__(self, divided: Collection[int] = ()) -> None:
        self._divided = divided

    def list_gpus(self) -> tuple[Gpu, ...]:
        """Return all of them."""
        return tuple(
            Gpu(
                uuid=gpu_uuid(index),
                model=MODEL,
                memory=GPU_BYTES,
                divided=index in self._divided,
                slices=tuple(
                    Gpu(uuid=slice_uuid(index, part), model=MODEL, memory=SLICE_BYTES)
                    for part in ((0, 1) if index in self._divided else ())
                ),
            )
            for index in range(COUNT)
        )

    def list_devices(self, visible: str | None = None) -> list[Device]:
        """Return those that CUDA_VISIBLE_DEVICES leaves."""
        return list_visible(self.list_gpus(), visible)


class EightGpusLibrary:
    """NVML of `EightGpus`, with its calling convention; some GPUs are lost."""

    def __init__(self, divided: Collection[int] = (), lost: Collection[int] = ()) -> None:
        self._machine = EightGpus(divided).list_gpus()
        self._lost = lost
        self._handles: list[Gpu] = []
        self.open = 0
        self.energy: dict[str, int] = {}
        """Millijoules, by the UUIDs of the GPUs that count them."""

    def nvmlInit_v2(self) -> int:
        """Open the library."""
        self.open += 1
        return 0

    def nvmlShutdown(self) -> int:
        """Close it."""
        self.open -= 1
        return 0

    def nvmlDeviceGetCount_v2(self, count: Any) -> int:
        """Write the number of GPUs."""
        count._obj.value = len(self._machine)
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index: ctypes.c_uint, handle: Any) -> int:
        """Write a GPU's handle."""
        return LOST if index.value in self._lost else self._give(self._machine, index.value, handle)

    def nvmlDeviceGetHandleByUUID(self, uuid: ctypes.c_char_p, handle: Any) -> int:
        """Write the handle of a GPU or of a slice."""
        assert uuid.value is not None
        there = [part for gpu in self._machine for part in (gpu, *gpu.slices)]
        return self._give([gpu for gpu in there if gpu.uuid == uuid.value.decode()], 0, handle)

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: Any, energy: Any) -> int:
        """Write the energy that a GPU has taken."""
        gpu = self._find(handle)
        if gpu.uuid not in self.energy:
            return NOT_SUPPORTED
        energy._obj.value = self.energy[gpu.uuid]
        return 0

    def nvmlDeviceGetMigMode(self, handle: Any, mode: Any, pending: Any) -> int:
        """Write whether a GPU is divided; the first one cannot be."""
        gpu = self._find(handle)
        if gpu.uuid == gpu_uuid(0):
            return NOT_SUPPORTED
        mode._obj.value = pending._obj.value = int(gpu.divided)
        return 0

    def nvmlDeviceGetMaxMigDeviceCount(self, handle: Any, count: Any) -> int:
        """Write how many slices a GPU may have."""
        count._obj.value = SLICES
        return 0

    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle: Any, index: ctypes.c_uint, part: Any) -> int:
        """Write a slice's handle."""
        return self._give(self._find(handle).slices, index.value, part)

    def nvmlDeviceGetMemoryInfo(self, handle: Any, memory: Any) -> int:
        """Write the whole memory."""
        memory._obj.total = self._find(handle).memory
        return 0

    def nvmlDeviceGetUUID(self, handle: Any, text: Any, size: ctypes.c_uint) -> int:
        """Write the UUID."""
        return self._write(self._find(handle).uuid, text, size)

    def nvmlDeviceGetName(self, handle: Any, text: Any, size: ctypes.c_uint) -> int:
        """Write the model."""
        return self._write(self._find(handle).model, text, size)

    def _give(self, gpus: Sequence[Gpu], index: int, handle: Any) -> int:
        if index >= len(gpus):
            return NOT_FOUND
        self._handles.append(gpus[index])
        handle._obj.value = len(self._handles)  # 0 is no handle
        return 0

    def _find(self, handle: ctypes.c_void_p) -> Gpu:
        assert handle.value is not None
        return self._handles[handle.value - 1]

    def _write(self, word: str, text: Any, size: ctypes.c_uint) -> int:
        assert len(word) < size.value
        text.value = word.encode()
        return 0
