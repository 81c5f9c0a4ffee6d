"""Which devices a command may use, on a machine with eight GPUs, some of them in slices."""

from __future__ import annotations

import re

import pytest

from search.errors import UsageError
from search.workers.machine.accelerators import Device, Gpu, sort_as_cuda
from search.workers.machine.devices import choose_devices
from tests.search.workers.machine.eight_gpus import GPU_BYTES, MODEL, SLICE_BYTES, EightGpus, gpu_uuid, slice_uuid

EIGHT = [gpu_uuid(index) for index in range(8)]


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, EIGHT),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("3", [gpu_uuid(3)]),
        ("5, 2", [gpu_uuid(5), gpu_uuid(2)]),
        ("0,9,1", [gpu_uuid(0)]),
        ("0,-1,1", [gpu_uuid(0)]),
        (gpu_uuid(6), [gpu_uuid(6)]),
        ("GPU-7f,GPU-0F3C", [gpu_uuid(7), gpu_uuid(0)]),
        ("MIG-0123", ["MIG-0123"]),
    ],
)
def test_numbers_and_uuids_of_the_variable_mean_what_they_mean_to_cuda(
    visible: str | None, expected: list[str]
) -> None:
    devices = EightGpus().list_devices(visible)
    assert [device.uuid for device in devices] == expected
    assert [device.name for device in devices] == [f"cuda:{index}" for index in range(len(expected))]


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, [gpu_uuid(0), slice_uuid(1, 0), slice_uuid(1, 1), *(gpu_uuid(index) for index in range(2, 8))]),
        ("1", [slice_uuid(1, 0), slice_uuid(1, 1)]),
        (gpu_uuid(1), [slice_uuid(1, 0), slice_uuid(1, 1)]),
        (slice_uuid(1, 1), [slice_uuid(1, 1)]),
        (f"{slice_uuid(1, 1)},0,{slice_uuid(1, 0)}", [slice_uuid(1, 1), gpu_uuid(0), slice_uuid(1, 0)]),
    ],
)
def test_each_slice_of_a_divided_gpu_is_a_device(visible: str | None, expected: list[str]) -> None:
    assert [device.uuid for device in EightGpus(divided={1}).list_devices(visible)] == expected


def test_a_uuid_in_the_variable_that_no_gpu_has_is_refused_with_close_ones() -> None:
    wrong = gpu_uuid(3).replace("5d1e", "5d1f")
    with pytest.raises(UsageError, match=rf"CUDA_VISIBLE_DEVICES has '{wrong}', which is no .* did you mean GPU-3f3c"):
        EightGpus().list_devices(wrong)
    with pytest.raises(UsageError, match="'GPU-', which is the beginning of several"):
        EightGpus().list_devices("GPU-")


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ("all", [f"cuda:{index}" for index in range(8)]),
        ("cuda", [f"cuda:{index}" for index in range(8)]),
        ("cuda:3", ["cuda:3"]),
        ("cuda:7, cuda:0", ["cuda:7", "cuda:0"]),
        (gpu_uuid(4), ["cuda:4"]),
        ("GPU-4f", ["cuda:4"]),
        ("gpu-4F,cuda:1,cpu", ["cuda:4", "cuda:1", "cpu"]),
    ],
)
def test_devices_are_named_by_number_or_uuid(request_: str, expected: list[str]) -> None:
    chosen = choose_devices(request_, EightGpus().list_devices())
    assert [device.name for device in chosen] == expected
    assert all(device.uuid == (gpu_uuid(int(device.name[-1])) if device.name != "cpu" else "") for device in chosen)


def test_a_slice_is_named_by_its_uuid() -> None:
    chosen = choose_devices("MIG-11", EightGpus(divided={1}).list_devices())
    assert chosen == [Device(name="cuda:2", uuid=slice_uuid(1, 1), model=MODEL, memory=SLICE_BYTES)]


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ("cuda:8", "this machine has no device 'cuda:8'; use cpu, cuda:0, cuda:1, cuda:2, "),
        ("GPU-", "'GPU-' is the beginning of several devices' UUIDs (GPU-0f3c2a10-"),
        (gpu_uuid(5)[:-1] + "9", f"cuda:7, or did you mean {gpu_uuid(5)}"),
        ("GPU-nothing-like-it", "use cpu, cuda:0, "),
    ],
)
def test_a_device_that_is_not_there_is_told_with_those_that_are(request_: str, words: str) -> None:
    with pytest.raises(UsageError, match=re.escape(words)):
        choose_devices(request_, EightGpus().list_devices())


def test_numbers_count_the_visible_devices() -> None:
    assert choose_devices("cuda:1", EightGpus().list_devices("6,4"))[0].uuid == gpu_uuid(4)
    assert choose_devices("all", EightGpus().list_devices("")) == [Device(name="cpu")]


def test_gpus_of_several_models_are_numbered_as_cuda_does() -> None:
    slow, fast, hidden = (Gpu(uuid=f"GPU-{name}", model=name, memory=1) for name in ("slow", "fast", "hidden"))
    assert sort_as_cuda([hidden, slow, fast], ["GPU-fast", "GPU-slow"]) == (fast, slow, hidden)


def test_a_device_in_one_line() -> None:
    device = EightGpus().list_devices("2")[0]
    assert str(device) == f"cuda:0 ({MODEL}, {GPU_BYTES / 2**30:.0f} GiB, {gpu_uuid(2)})"
    assert str(Device(name="cpu")) == "cpu"
