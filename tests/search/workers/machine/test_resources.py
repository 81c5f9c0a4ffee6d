"""Cores and memory that control groups leave, read from the files of real containers and of a host."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from search.workers.machine.resources import (
    count_cores,
    list_folders,
    measure_memory,
    parse_available,
    parse_limit,
    parse_quota,
)

KUBERNETES = "0::/\n"
SLURM = "0::/system.slice/slurmstepd.scope/job_7/step_0/user/task_0\n"
DOCKER_V1 = """\
12:pids:/docker/0f3c
6:cpu,cpuacct:/docker/0f3c
4:memory:/docker/0f3c
1:name=systemd:/docker/0f3c
0::/system.slice/containerd.service
"""
MEMINFO = "MemTotal:       24684092 kB\nMemFree:        12344784 kB\nMemAvailable:   18357820 kB\n"
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@pytest.mark.parametrize(
    ("text", "cores"),
    [
        ("max 100000\n", None),
        ("200000 100000\n", 2),
        ("50000 100000", 0.5),
        ("-1 100000", None),
        ("", None),
        ("5", None),
    ],
)
def test_quotas(text: str, cores: float | None) -> None:
    assert parse_quota(text) == cores


def test_limits_of_memory() -> None:
    assert [parse_limit(text) for text in ("max\n", "17179869184\n", "")] == [None, 16 * 2**30, None]
    assert parse_available(MEMINFO) == 18357820 * 1024
    assert parse_available("") is None


def test_every_group_around_counts() -> None:
    root = Path("/c")
    assert list_folders(KUBERNETES, "cpu", root) == [root]
    assert [str(folder) for folder in list_folders(SLURM, "memory", root)][::2] == [
        "/c/system.slice/slurmstepd.scope/job_7/step_0/user/task_0",
        "/c/system.slice/slurmstepd.scope/job_7/step_0",
        "/c/system.slice/slurmstepd.scope",
        "/c",
    ]
    assert [str(folder) for folder in list_folders(DOCKER_V1, "cpu", root)][:3] == [
        "/c/cpu/docker/0f3c",
        "/c/cpu/docker",
        "/c/cpu",
    ]


def write(folder: Path, **texts: str) -> None:
    """Write files of a control group; `_` before the last word of a name is a dot in version 2."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name.replace("__", ".")).write_text(text)


@pytest.mark.parametrize("version", [1, 2])
def test_the_tightest_limit_is_found(tmp_path: Path, version: int) -> None:
    groups, memory, root = tmp_path / "cgroup", tmp_path / "meminfo", tmp_path / "fs"
    memory.write_text(MEMINFO)
    if version == 2:
        groups.write_text(SLURM)
        write(root / "system.slice/slurmstepd.scope/job_7", cpu__max="150000 100000\n", memory__max="4294967296\n")
        write(root / "system.slice", cpu__max="max 100000\n", memory__max="max\n")
    else:
        groups.write_text(DOCKER_V1)
        write(root / "cpu/docker/0f3c", cpu__cfs_quota_us="150000\n", cpu__cfs_period_us="100000\n")
        write(root / "cpu", cpu__cfs_quota_us="-1\n", cpu__cfs_period_us="100000\n")
        write(root / "memory/docker/0f3c", memory__limit_in_bytes="4294967296\n")
        write(root / "memory", memory__limit_in_bytes="9223372036854771712\n")
    assert count_cores(groups, root) == 1
    assert measure_memory(groups, root, memory) == 4 * 2**30


def test_without_groups_the_machine_counts(tmp_path: Path) -> None:
    nowhere, memory = tmp_path / "none", tmp_path / "meminfo"
    assert count_cores(nowhere, nowhere) == CORES
    assert measure_memory(nowhere, nowhere, nowhere) is None
    memory.write_text(MEMINFO)
    assert measure_memory(nowhere, nowhere, memory) == 18357820 * 1024
    write(tmp_path, cgroup=KUBERNETES)
    write(tmp_path / "fs", cpu__max="9900000 100000")
    assert count_cores(tmp_path / "cgroup", tmp_path / "fs") == min(CORES, 99)
