"""What NVIDIA's management library tells, read from one for eight GPUs. The real one is read where there is one."""

from __future__ import annotations

import ctypes
from contextlib import suppress

import pytest

from search.workers.machine.nvml import LIBRARY, Nvml, NvmlError
from tests.search.workers.machine.eight_gpus import EightGpus, EightGpusLibrary, gpu_uuid


def has_library() -> bool:
    """Return whether the driver is installed."""
    try:
        ctypes.CDLL(LIBRARY)
    except OSError:
        return False
    return True


@pytest.mark.parametrize("divided", [(), (1, 5)])
def test_gpus_and_their_slices_are_read(divided: tuple[int, ...]) -> None:
    library = EightGpusLibrary(divided)
    assert Nvml(library).list_gpus() == EightGpus(divided).list_gpus()
    assert library.open == 0


def test_a_gpu_that_is_lost_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    found = Nvml(EightGpusLibrary(lost=[2])).list_gpus()
    assert [gpu.uuid for gpu in found] == [gpu_uuid(index) for index in range(8) if index != 2]
    assert "GPU 2 does not answer (nvmlDeviceGetHandleByIndex_v2 returned 15)" in caplog.text


def test_energy_is_read_from_gpus_that_count_it() -> None:
    library = EightGpusLibrary(divided=[5])
    library.energy = {gpu_uuid(3): 2**40, gpu_uuid(5): 7}
    nvml = Nvml(library)
    nvml.open()
    assert library.open == 1
    gpu = nvml.find_gpu(gpu_uuid(3))
    assert gpu is not None
    assert nvml.read_energy(gpu) == 2**40
    assert nvml.find_gpu(gpu_uuid(5)) is None, "what the slices of a GPU take together is no trial's"
    old = nvml.find_gpu(gpu_uuid(0))
    assert old is not None
    with pytest.raises(NvmlError, match="nvmlDeviceGetTotalEnergyConsumption returned 3"):
        nvml.read_energy(old)
    with pytest.raises(NvmlError, match="nvmlDeviceGetHandleByUUID returned 6"):
        nvml.find_gpu("GPU-elsewhere")


@pytest.mark.skipif(has_library(), reason="NVIDIA's driver is installed here")
def test_without_the_library_nothing_can_be_told() -> None:
    with pytest.raises(OSError, match=LIBRARY):
        Nvml()


@pytest.mark.skipif(not has_library(), reason="NVIDIA's driver is not installed here")
def test_the_real_library_knows_what_torch_knows() -> None:
    import torch

    there = {str(torch.cuda.get_device_properties(index).uuid) for index in range(torch.cuda.device_count())}
    assert there <= {gpu.uuid.removeprefix("GPU-") for gpu in Nvml().list_gpus()}


@pytest.mark.skipif(not has_library(), reason="NVIDIA's driver is not installed here")
def test_a_real_counter_never_falls() -> None:
    nvml = Nvml()
    nvml.open()
    for gpu in nvml.list_gpus():
        handle = nvml.find_gpu(gpu.uuid)
        assert (handle is None) == gpu.divided
        if handle is not None:
            with suppress(NvmlError):  # one from before Volta does not count
                assert 0 < nvml.read_energy(handle) <= nvml.read_energy(handle)
