"""A trial's share of the energy of GPUs, worked out by hand, and kept together by real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from search.workers.machine import energy
from search.workers.machine.energy import MILLIJOULES, EnergyMeter
from search.workers.machine.energy_account import EnergyAccount, find_accounts
from search.workers.machine.nvml import Nvml
from storage.embedded.file_locks import open_lock, try_exclusive
from tests.search.workers.machine.eight_gpus import EightGpusLibrary, gpu_uuid, slice_uuid

JOINS = """
import sys
from pathlib import Path
from search.workers.machine.energy_account import EnergyAccount

account = EnergyAccount(Path(sys.argv[1]), "GPU-0", lambda: int(Path(sys.argv[2]).read_text()))
print(account.join(), flush=True)
sys.stdin.readline()
print(account.leave(), flush=True)
"""
# A counter that rises as time goes by. Each process reads a hundred times, as fast as it can.
READS = """
import sys, time
from pathlib import Path
from search.workers.machine import energy_account

energy_account.LONGEST_WAIT_SECONDS = 60.0
seen = []
account = energy_account.EnergyAccount(Path(sys.argv[1]), "GPU-0", lambda: seen.append(time.monotonic_ns()) or seen[-1])
began = account.join()
print("joined", flush=True)
sys.stdin.readline()
for _ in range(100):
    account.read()
print(account.leave() - began, seen[0], seen[-1], flush=True)
"""


class Counters:
    """The counters of GPUs, set by a test in watt-hours."""

    def __init__(self) -> None:
        self.library = EightGpusLibrary(divided=[5])
        self.nvml = Nvml(self.library)
        for index in range(8):
            self.set(0.0, index)

    def set(self, watt_hours: float, index: int = 0) -> None:
        self.library.energy[gpu_uuid(index)] = int(watt_hours * MILLIJOULES)


@pytest.fixture
def counters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Counters:
    """Counters of eight GPUs; accounts lie in a folder of the test."""
    counters = Counters()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(energy, "_open_library", lambda: counters.nvml)
    monkeypatch.setattr(energy, "LEAST_SECONDS", 0.0)
    return counters


def test_short_epochs_have_their_energy_together(counters: Counters, monkeypatch: pytest.MonkeyPatch) -> None:
    meter = EnergyMeter([gpu_uuid(0)])
    with meter.measuring():
        counters.set(2.0)
        assert meter.take() == {"energy_wh": 2.0}
        monkeypatch.setattr(energy, "LEAST_SECONDS", 3600.0)
        counters.set(3.0)
        assert meter.take() == {}
        monkeypatch.setattr(energy, "LEAST_SECONDS", 0.0)
        counters.set(4.0)
        assert meter.take() == {"energy_wh": 2.0}
        monkeypatch.setattr(energy, "LEAST_SECONDS", 3600.0)
        counters.set(5.0)
    assert meter.rest_wh == 1.0, "the end is always read"


def test_alone_a_trial_takes_what_its_gpu_takes(counters: Counters) -> None:
    meter = EnergyMeter([gpu_uuid(0)])
    counters.set(1000.0)
    with meter.measuring():
        counters.set(1003.0)
        assert meter.take() == {"energy_wh": 3.0}
        counters.set(1003.25)
        assert meter.take() == {"energy_wh": 0.25}
        counters.set(1004.0)
    assert meter.rest_wh == 0.75
    counters.set(1010.0)  # idle: nobody's
    with meter.measuring():
        assert meter.take() == {"energy_wh": 0.0}
        counters.set(1012.0)
    assert meter.rest_wh == 2.0


def test_those_that_share_a_gpu_get_equal_parts_for_as_long_as_they_do(counters: Counters) -> None:
    """The first trains from 0 to 10, the second from 6 to 13, the third from 8 to 10."""
    first, second, third = (EnergyMeter([gpu_uuid(0)]) for _ in range(3))
    with ExitStack() as of_second:
        with first.measuring():
            counters.set(6.0)
            of_second.enter_context(second.measuring())
            counters.set(8.0)
            with third.measuring():
                assert second.take() == {"energy_wh": 1.0}, "6 to 8, halved"
                counters.set(9.5)
                assert first.take() == {"energy_wh": 7.5}, "6 alone, 2 / 2, 1.5 / 3"
                counters.set(10.0)
        counters.set(13.0)
    assert third.rest_wh == pytest.approx(2.0 / 3)
    assert first.rest_wh == pytest.approx(0.5 / 3)
    assert second.rest_wh == pytest.approx(2.0 / 3 + 3.0)


def test_a_trial_on_several_gpus_takes_what_all_of_them_take(counters: Counters) -> None:
    meter, other = EnergyMeter([gpu_uuid(1), gpu_uuid(2)]), EnergyMeter([gpu_uuid(2)])
    with meter.measuring(), other.measuring():
        counters.set(2.0, 1)
        counters.set(3.0, 2)
        assert meter.take() == {"energy_wh": 3.5}
        assert other.take() == {"energy_wh": 1.5}


@pytest.mark.parametrize("uuids", [[], ["GPU-elsewhere"], [gpu_uuid(5)], [slice_uuid(5, 0)]])
def test_nothing_is_told_where_nothing_counts(counters: Counters, uuids: list[str]) -> None:
    meter = EnergyMeter(uuids)
    with meter.measuring():
        counters.set(7.0, 5)
        assert meter.take() == {}
    assert meter.rest_wh is None


def test_without_the_library_nothing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Nvml:
        raise OSError("libnvidia-ml.so.1: cannot open shared object file")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(energy, "_open_library", refuse)
    meter = EnergyMeter([gpu_uuid(0)])
    with meter.measuring():
        assert meter.take() == {}


def test_a_gpu_that_stops_counting_is_read_again_later(counters: Counters) -> None:
    meter = EnergyMeter([gpu_uuid(0)])
    with meter.measuring():
        del counters.library.energy[gpu_uuid(0)]
        assert meter.take() == {}
        counters.set(2.0)
        assert meter.take() == {"energy_wh": 2.0}


def test_a_counter_that_begins_again_takes_nothing_back(counters: Counters) -> None:
    meter = EnergyMeter([gpu_uuid(0)])
    counters.set(50.0)
    with meter.measuring():
        counters.set(51.0)
        assert meter.take() == {"energy_wh": 1.0}
        counters.set(0.5)
        assert meter.take() == {"energy_wh": 0.0}
        counters.set(0.75)
    assert meter.rest_wh == 0.25


def test_a_frozen_process_that_holds_the_account_is_not_waited_for(counters: Counters) -> None:
    meter = EnergyMeter([gpu_uuid(0)])
    with meter.measuring():
        counters.set(2.0)
        held = open_lock(find_accounts() / gpu_uuid(0))
        assert try_exclusive(held)
        assert meter.take() == {}
        os.close(held)
        assert meter.take() == {"energy_wh": 2.0}


def test_the_folder_of_another_is_not_used(counters: Counters, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / f"depthsearch-energy-{os.geteuid()}").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermissionError, match="is not this user's"):
        find_accounts()
    meter = EnergyMeter([gpu_uuid(0)])
    with meter.measuring():
        assert meter.take() == {}
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_killed_process_shares_until_the_next_reading(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("100")
    ours = EnergyAccount(tmp_path, "GPU-0", lambda: int(counter.read_text()))
    assert ours.join() == 0.0
    command = [sys.executable, "-c", JOINS, tmp_path, counter]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "0.0\n"
        counter.write_text("110")
        assert ours.read() == 5.0
        other.send_signal(signal.SIGKILL)
    counter.write_text("130")
    assert ours.read() == 15.0, "nobody knows when the other one died: half of it is lost"
    counter.write_text("140")
    assert ours.leave() == 25.0
    ours.close()


def test_what_processes_get_is_together_what_the_gpu_took(tmp_path: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", READS, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "joined\n"
    told = [[float(word) for word in process.communicate("go\n", timeout=60)[0].split()] for process in processes]
    shares, begins, ends = zip(*told, strict=True)
    assert min(shares) > 0
    assert sum(shares) == pytest.approx(max(ends) - min(begins), rel=1e-9)
