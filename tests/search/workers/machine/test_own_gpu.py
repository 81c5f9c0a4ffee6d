"""A process sleeps while it waits for its GPU; where it cannot be told to, nothing else changes."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from search.workers.machine.own_gpu import SLEEP, sleep_while_waiting, use_device


class FakeDriver:
    """CUDA's driver for one GPU that has the number 0."""

    def __init__(self, code: int = 0) -> None:
        self.code = code
        self.flags: dict[int, int] = {}

    def cuInit(self, flags: int) -> int:
        return flags

    def cuDeviceGet(self, handle: object, index: int) -> int:
        handle._obj.value = 70 + index  # type: ignore[attr-defined]
        return 101 if index else 0

    def cuDevicePrimaryCtxSetFlags_v2(self, handle: object, flags: int) -> int:
        self.flags[handle.value] = flags  # type: ignore[attr-defined]
        return self.code


def test_the_driver_is_told_to_let_the_process_sleep() -> None:
    driver = FakeDriver()
    assert sleep_while_waiting(0, driver)
    assert driver.flags == {70: SLEEP}


@pytest.mark.parametrize(("index", "driver"), [(1, FakeDriver()), (0, FakeDriver(708)), (0, object())])
def test_what_the_driver_refuses_is_left_as_it_is(index: int, driver: object) -> None:
    assert not sleep_while_waiting(index, driver)


def test_a_cpu_needs_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.workers.machine.own_gpu.sleep_while_waiting", None)
    use_device(torch.device("cpu"))


WAIT = """
import time, torch
from search.workers.machine.own_gpu import use_device
use_device(torch.device("cuda:0"))
torch.zeros(1, device="cuda").item()
begun, used = time.perf_counter(), time.process_time()
torch.cuda._sleep(1_500_000_000)
torch.zeros(1, device="cuda").item()
print((time.process_time() - used) / (time.perf_counter() - begun))
"""


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_waiting_for_a_real_gpu_takes_no_core() -> None:
    told = subprocess.run([sys.executable, "-c", WAIT], check=True, capture_output=True, text=True)
    assert float(told.stdout) < 0.5
