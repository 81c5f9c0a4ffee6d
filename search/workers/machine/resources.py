"""The CPU cores and the memory that this process may use: the machine's, or less by its control groups (cgroups).

Containers and schedulers set limits in control groups, of version 1 or 2; those of every enclosing group count.
(https://docs.kernel.org/admin-guide/cgroup-v2.html, .../cgroup-v1/memory.html)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

ROOT = Path("/sys/fs/cgroup")
GROUPS = Path("/proc/self/cgroup")
MEMORY = Path("/proc/meminfo")


def count_cores(groups: Path = GROUPS, root: Path = ROOT) -> int:
    """Return the number of CPU cores that this process may use, 1 or more; a quota of 2.5 cores counts as 2."""
    affinity: Callable[[int], set[int]] | None = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    quotas = (_read_quota(folder) for folder in list_folders(_read(groups), "cpu", root))
    return max(1, int(min([cores, *(quota for quota in quotas if quota is not None)])))


def measure_memory(groups: Path = GROUPS, root: Path = ROOT, memory: Path = MEMORY) -> int | None:
    """Return how many bytes of memory this process may use: what is free, or its groups' limit; None if unknown."""
    limits = [_read_memory(folder) for folder in list_folders(_read(groups), "memory", root)]
    return min((limit for limit in (parse_available(_read(memory)), *limits) if limit is not None), default=None)


def list_folders(groups: str, controller: str, root: Path) -> list[Path]:
    """Return the folders of the groups that a process is in, each with those around it.

    Args:
        groups: The text of /proc/self/cgroup.
        controller: What limits: `cpu` or `memory`.
        root: Where control groups are mounted. In a container its own group may be mounted there.
    """
    folders: dict[Path, None] = {}
    for line in groups.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        mount = root / controller if controllers else root
        inside = PurePosixPath(path.lstrip("/"))
        folders |= dict.fromkeys(mount / part for part in (inside, *inside.parents))
    return [*folders]


def parse_quota(text: str) -> float | None:
    """Return the cores of a quota such as `150000 100000` (microseconds of each period); None if there is none."""
    words = text.split()
    if len(words) != 2 or not all(word.isdecimal() for word in words) or not int(words[1]):  # `max` or -1: no quota
        return None
    return int(words[0]) / int(words[1])


def parse_limit(text: str) -> int | None:
    """Return a limit in bytes; None for `max`, or if the text says none."""
    return int(text) if text.strip().isdecimal() else None


def parse_available(text: str) -> int | None:
    """Return the available memory in bytes, given the text of /proc/meminfo."""
    for line in text.splitlines():
        name, _, size = line.partition(":")
        if name == "MemAvailable":
            return int(size.split()[0]) * 1024
    return None


def _read_quota(folder: Path) -> float | None:
    second = parse_quota(_read(folder / "cpu.max"))
    first = parse_quota(_join(_read(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period")))
    return first if second is None else second


def _read_memory(folder: Path) -> int | None:
    second = parse_limit(_read(folder / "memory.max"))
    return parse_limit(_read(folder / "memory.limit_in_bytes")) if second is None else second


def _join(texts: Iterable[str]) -> str:
    return " ".join(text.strip() for text in texts)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
