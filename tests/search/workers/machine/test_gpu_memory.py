"""How many workers fit onto GPUs, by what `nvidia-smi` prints; the program is a script."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from search.workers.machine.gpu_memory import GpuMemory, MemoryBudget, read_gpu_memory
from tests.search.workers.machine.eight_gpus import gpu_uuid, slice_uuid


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file whose text `nvidia-smi` prints."""
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ncat {tmp_path / 'shown'}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return tmp_path / "shown"


def write(path: Path, *used: int) -> None:
    """Show GPUs of 80,000 MiB."""
    path.write_text("".join(f"{gpu_uuid(index)}, {each}, 80000\n" for index, each in enumerate(used)))


def test_the_fullest_gpu_decides(shown: Path) -> None:
    write(shown, 0, 1000, 70000)
    budget = MemoryBudget([gpu_uuid(0), gpu_uuid(1)])
    write(shown, 4000, 9000, 80000)
    assert read_gpu_memory()[gpu_uuid(1)] == GpuMemory(used=9000, total=80000)
    assert budget.count_fitting(1) == int(0.8 * 79000 / 8000) == 7
    assert budget.count_fitting(2) == 15


def test_where_memory_cannot_be_told_no_more_workers_are_added(shown: Path) -> None:
    write(shown, 0)
    assert MemoryBudget([slice_uuid(0, 0)]).count_fitting(2) == 2
    assert MemoryBudget([]).count_fitting(1) == 1
    shown.write_text("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n")
    assert read_gpu_memory() == {}
