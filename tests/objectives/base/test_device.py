"""Devices: names, precision, and errors that mean too little memory."""

from contextlib import nullcontext

import pytest
import torch

from objectives.base.device import as_out_of_memory, autocast, describe_device, list_devices, resolve_devices
from objectives.base.errors import ObjectiveError, OutOfMemory

CPU = torch.device("cpu")


def test_cpu_is_always_there() -> None:
    assert resolve_devices("cpu") == ["cpu"]
    assert resolve_devices(" cpu , cpu ") == ["cpu", "cpu"]
    assert resolve_devices("all") == list_devices() != []


@pytest.mark.parametrize("request_", ["cuda:99", "gpu", "", "cpu,", "cpu,tpu", "cuda:0,cuda:99"])
def test_absent_device_is_told_with_those_there_are(request_: str) -> None:
    with pytest.raises(ObjectiveError, match=r"this machine has no device '.*'; use cpu"):
        resolve_devices(request_)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there are CUDA devices here")
def test_without_cuda() -> None:
    assert list_devices() == ["cpu"]
    with pytest.raises(ObjectiveError, match=r"this machine has no device 'cuda'; use cpu$"):
        resolve_devices("cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there are no CUDA devices here")
def test_with_cuda() -> None:
    assert resolve_devices("cuda") == resolve_devices("all") == list_devices()
    assert resolve_devices("cuda:0,cpu") == ["cuda:0", "cpu"]
    assert describe_device(torch.device("cuda:0")) == torch.cuda.get_device_name(0)


def test_description_is_the_models() -> None:
    assert describe_device(CPU).endswith(torch.backends.cpu.get_cpu_capability())


def test_precision() -> None:
    x = torch.randn(4, 4)
    assert isinstance(autocast(CPU, "float32"), nullcontext)
    with autocast(CPU, "bfloat16"):
        assert (x @ x).dtype == torch.bfloat16
    with autocast(CPU, "auto"):
        assert (x @ x).dtype in (torch.bfloat16, torch.float32)


def _failure(elements: int) -> RuntimeError:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(elements)
    return caught.value


def test_real_allocation_failure_is_out_of_memory() -> None:
    memory = as_out_of_memory(_failure(2**48), CPU)
    assert isinstance(memory, OutOfMemory)
    assert str(memory).startswith("cpu had too little memory: ")
    assert len(str(memory)) <= 300
    assert memory.peak_bytes == 0


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory. Tried\nmore")])
def test_every_kind_of_too_little_memory(error: BaseException) -> None:
    memory = as_out_of_memory(error, CPU)
    assert isinstance(memory, OutOfMemory)
    assert "\n" not in str(memory)


def test_other_errors_are_not() -> None:
    assert as_out_of_memory(RuntimeError("shapes do not match"), CPU) is None
    assert as_out_of_memory(ValueError("x"), CPU) is None
