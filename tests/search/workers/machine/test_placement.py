"""Where the workers of a machine with eight GPUs, or none, go."""

from __future__ import annotations

import pytest

from search.errors import UsageError
from search.workers.machine.accelerators import Device, find_cpu
from search.workers.machine.placement import WORKER_BYTES, Placement, WorkerCount, place_workers
from tests.search.workers.machine.eight_gpus import EightGpus, gpu_uuid, slice_uuid

GIB = 2**30
EIGHT = EightGpus().list_devices()
CPU = [find_cpu()]


def names(placement: Placement) -> list[str]:
    """Return the names of each worker's devices."""
    return [" ".join(device.name.removeprefix("cuda:") for device in place.devices) for place in placement.places]


def place(devices: list[Device], size: int = 1, cores: int = 32, **count: int) -> Placement:
    """Place workers on a machine with plenty of memory."""
    return place_workers(devices, WorkerCount(**count), devices_per_trial=size, cores=cores)


@pytest.mark.parametrize(
    ("count", "size", "expected", "threads"),
    [
        ({}, 1, "0 1 2 3 4 5 6 7", 1),
        ({"per_device": 1}, 1, "0 1 2 3 4 5 6 7", 4),
        ({"per_device": 3}, 1, "0 1 2 3 4 5 6 7 0 1 2 3 4 5 6 7 0 1 2 3 4 5 6 7", 1),
        ({"workers": 3}, 1, "0 1 2", 10),
        ({"workers": 10}, 1, "0 1 2 3 4 5 6 7 0 1", 3),
        ({}, 2, "0 1,2 3,4 5,6 7", 1),
        ({"per_device": 2}, 4, "0 1 2 3,4 5 6 7,0 1 2 3,4 5 6 7", 2),
        ({"workers": 1}, 8, "0 1 2 3 4 5 6 7", 4),
    ],
)
def test_workers_take_eight_gpus_or_groups_of_them_in_turn(
    count: dict[str, int], size: int, expected: str, threads: int
) -> None:
    placement = place(EIGHT, size, **count)
    assert names(placement) == (expected.split(",") if size > 1 else expected.split())
    assert {place.threads for place in placement.places} == {threads}
    assert placement.notes == ()


def test_each_worker_sees_the_uuids_of_its_own_gpus() -> None:
    assert [place.visible for place in place(EIGHT[:2]).places] == [(gpu_uuid(0),), (gpu_uuid(1),)]
    assert [place.visible for place in place(EIGHT, 4).places][1] == tuple(gpu_uuid(index) for index in (4, 5, 6, 7))
    assert place(CPU).places[0].visible == place([Device(name="cuda:0")]).places[0].visible == ()


def test_gpus_left_over_are_told() -> None:
    placement = place(EIGHT, 3)
    assert names(placement) == ["0 1 2", "3 4 5"]
    assert placement.notes == ("2 GPUs left over: each trial trains on 3",)


def test_each_slice_gets_its_own_workers() -> None:
    devices = EightGpus(divided={0}).list_devices("0,3")
    placement = place(devices, per_device=2)
    assert names(placement) == ["0", "1", "2"] * 2
    assert [place.visible for place in placement.places[:2]] == [(slice_uuid(0, 0),), (slice_uuid(0, 1),)]


def test_fewer_gpus_than_a_trial_needs_are_refused() -> None:
    with pytest.raises(UsageError, match=r"on 4 devices at once, but 3 GPUs can be used \(cuda:0, cuda:1, cuda:2\); "):
        place(EIGHT[:3], 4)
    with pytest.raises(UsageError, match=r"but 1 GPU can be used \(cuda:0\)"):
        place([EIGHT[0], EIGHT[0], *CPU], 2)


@pytest.mark.parametrize(
    ("cores", "count", "size", "expected"),
    [
        (2, {}, 1, [1, 1]),
        (64, {}, 1, [8] * 8),
        (2, {"workers": 1}, 1, [2]),
        (2, {"workers": 4}, 1, [1] * 4),
        (6, {"per_device": 2}, 1, [3, 3]),
        (8, {}, 2, [1] * 4),
        (1, {}, 4, [1]),
    ],
)
def test_on_a_cpu_cores_are_divided_among_workers(
    cores: int, count: dict[str, int], size: int, expected: list[int]
) -> None:
    placement = place(CPU, size, cores, **count)
    assert [place.threads for place in placement.places] == expected
    assert {len(place.devices) for place in placement.places} == {size}


@pytest.mark.parametrize(("memory", "workers"), [(64 * GIB, 8), (3 * WORKER_BYTES + 1, 3), (1, 1), (None, 8)])
def test_where_memory_is_short_fewer_workers_are_started_and_told(memory: int | None, workers: int) -> None:
    placement = place_workers(CPU, WorkerCount(), cores=8, memory=memory)
    assert len(placement.places) == workers
    assert [note.partition(",")[0] for note in placement.notes] == (
        [f"{workers} worker{'s' if workers > 1 else ''} instead of 8"] if workers < 8 else []
    )
    assert len(place_workers(CPU, WorkerCount(workers=8), cores=8, memory=memory).places) == 8
