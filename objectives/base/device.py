"""Devices and numeric precision: everything that differs between CPU and CUDA."""

from __future__ import annotations

import gc
import platform
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch

from objectives.base.device_names import is_uuid, match_devices
from objectives.base.errors import OutOfMemory, first_line

# Messages of torch's CPU allocator and of CUDA's libraries, which raise no exception type of their own.
MEMORY_TEXTS = ("allocate memory", "CUDA error: out of memory", "CUBLAS_STATUS_ALLOC", "CUDNN_STATUS_ALLOC")

Precision = Literal["auto", "float32", "bfloat16"]


def list_devices() -> list[str]:
    """Return the devices that `all` stands for: every CUDA device, or the CPU if there is none."""
    return [f"cuda:{index}" for index in range(torch.cuda.device_count())] or ["cpu"]


def resolve_devices(request: str) -> list[str]:
    """Return the names, in this process, of the devices that a request stands for.

    request: `cpu`, `cuda`, `all`, or a list such as `cuda:0,cuda:1` or of UUIDs (see `device_names`).

    Raises:
        ObjectiveError: this machine has no such device; the message lists those that it has.
    """
    # To ask for a UUID is to start CUDA.
    by_uuid = any(is_uuid(name.strip()) for name in request.split(","))
    there = {
        name: "".join(read_uuids(torch.device(name))) if by_uuid else "" for name in list_devices() if name != "cpu"
    }
    return match_devices(request, there)


def read_uuids(device: torch.device) -> tuple[str, ...]:
    """Return the UUID of a GPU as its driver writes it, which starts CUDA; nothing for a CPU, or if torch lacks it."""
    if device.type != "cuda":
        return ()
    uuid = getattr(torch.cuda.get_device_properties(device), "uuid", None)
    return () if uuid is None else (f"GPU-{uuid}",)


def describe_device(device: torch.device) -> str:
    """Return the device's model, which is stored with a trial: equal models give equal numbers."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """Return the context for a forward pass: bfloat16 if asked for, or if `auto` and the hardware is fast at it.

    bfloat16 has float32's range of exponents, so no gradient scaler is needed.
    """
    use = precision == "bfloat16" or (precision == "auto" and has_fast_bfloat16(device))
    return torch.autocast(device.type, dtype=torch.bfloat16) if use else nullcontext()


def set_float32_precision(device: torch.device, precision: Precision) -> None:
    """Let a CUDA device multiply in TensorFloat-32 (10 bits of mantissa), unless `float32` is asked for.

    It applies to float32 matrices and convolutions, for this process.
    """
    if device.type == "cuda":
        allowed = precision != "float32"
        torch.backends.cuda.matmul.allow_tf32 = allowed
        torch.backends.cudnn.allow_tf32 = allowed


def has_fast_bfloat16(device: torch.device) -> bool:
    """Return whether the device multiplies bfloat16 matrices in hardware."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and bool(torch.cpu._is_avx512_bf16_supported())


def clear_memory(device: torch.device) -> None:
    """Free what an earlier network left cached, and count peak memory from here."""
    gc.collect()  # an error's traceback refers to its network in a reference cycle
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def as_out_of_memory(error: BaseException, device: torch.device) -> OutOfMemory | None:
    """Return the error as `OutOfMemory` with the peak of allocated bytes, or None if it is another kind of error."""
    known = any(text in str(error) for text in MEMORY_TEXTS)
    if not known and not isinstance(error, torch.OutOfMemoryError | MemoryError):
        return None
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
    return OutOfMemory(f"{device} had too little memory: {first_line(error)}"[:300], peak)


def is_broken(error: BaseException) -> bool:
    """Return whether the error leaves this process without a usable GPU, whatever is trained next."""
    return isinstance(error, torch.AcceleratorError) or "CUDA error" in str(error)
