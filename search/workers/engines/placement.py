"""Where a run starts its workers, as its flags say, and what of that an engine refuses."""

from __future__ import annotations

import importlib.util
import os
import re
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from search.connection import Address, find_address
from search.errors import UsageError
from search.settings import Settings
from spaces.suggestions import suggest_and_list

ENGINES = ("local", "ray")
"""Processes of this machine, or actors of a Ray cluster."""
ADDRESS_VARIABLE = "RAY_ADDRESS"
FIND = "auto"
"""The address that stands for the cluster of which this machine is a part."""
CONNECT_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Placement:
    """The engine and its flags; what is None was not given."""

    engine: str = "local"
    address: str | None = None
    gpus_per_worker: float | None = None
    cpus_per_worker: int | None = None

    @property
    def flags(self) -> tuple[str, ...]:
        """The words of a command that say the same."""
        given = {name: value for name, value in vars(self).items() if value is not None}
        return tuple(word for name, value in given.items() for word in (f"--{name.replace('_', '-')}", f"{value}"))


@dataclass(frozen=True, kw_only=True)
class Share:
    """What a worker gets of a cluster's machine."""

    cpus: int
    gpus: float

    def __str__(self) -> str:
        """Return it for people, such as `1 CPU and 0.5 GPU`."""
        return (
            f"{count_units(self.cpus, 'CPU')} and {count_units(self.gpus, 'GPU')}"
            if self.gpus
            else count_units(self.cpus, "CPU")
        )


@dataclass(frozen=True, kw_only=True)
class ClusterRequest:
    """What is asked of a Ray cluster."""

    address: str
    """`auto` or `HOST:PORT`."""
    workers: int
    share: Share
    storage: Address

    @property
    def device(self) -> str:
        """The device of every worker: Ray shows a worker no GPU but its own."""
        return "cuda:0" if self.share.gpus else "cpu"


def check_local(placement: Placement) -> None:
    """Raise `UsageError` if there is no such engine, or a flag is for another one than this machine's."""
    if placement.engine not in ENGINES:
        raise UsageError(f"there is no engine {placement.engine!r}; {suggest_and_list(placement.engine, ENGINES)}")
    for name in ("address", "gpus_per_worker", "cpus_per_worker"):
        if getattr(placement, name) is not None:
            flag = name.replace("_", "-")
            raise UsageError(f"--{flag} is for --engine ray; leave it out, or add --engine ray")


def plan_cluster(placement: Placement, settings: Settings, environ: Mapping[str, str] = os.environ) -> ClusterRequest:
    """Return what is asked of a Ray cluster.

    Raises:
        UsageError: a flag is missing or breaks a rule, or other machines cannot reach the storage.
        BadURL: the storage's URL cannot be used.
    """
    if settings.workers is None:
        raise UsageError("--engine ray needs --workers N: how many workers the cluster is asked for")
    return ClusterRequest(
        address=_find_cluster(placement.address or environ.get(ADDRESS_VARIABLE)),
        workers=settings.workers,
        share=_plan_share(placement, settings.device),
        storage=find_address(settings.storage),
    )


def check_installed() -> None:
    """Raise `UsageError` if Ray is not installed."""
    if importlib.util.find_spec("ray") is None:
        raise UsageError("--engine ray needs Ray, which is not installed; run `pip install 'depthsearch[ray]'`")


def check_answers(address: str) -> None:
    """Raise `UsageError` if nothing listens at a cluster's address; Ray itself would look for it for a minute."""
    if address == FIND:
        return
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        raise UsageError(
            f"no Ray cluster answers at {address} ({reason}); give the address that `ray start --head` printed"
        ) from None


def check_reach(storage: Address, hosts: Iterable[str]) -> None:
    """Raise `UsageError` if the storage's address means each machine itself and one of a cluster is not this one."""
    others = sorted(set(hosts) - {socket.gethostname()})
    if storage.local and others:
        raise UsageError(
            f"the storage's address {storage.text} means each machine itself, and {', '.join(others[:3])} "
            f"{'is' if len(others) == 1 else 'are'} not this one; name a host that all machines of the cluster reach"
        )


def _find_cluster(address: str | None) -> str:
    if not address:
        raise UsageError(
            f"--engine ray needs the cluster's address: give --address HOST:PORT, --address {FIND} on one of its "
            f"machines, or set {ADDRESS_VARIABLE}"
        )
    if address.startswith("ray://"):
        raise UsageError(
            f"--address {address[:60]} is of Ray Client, by which no worker is started here; "
            "run this on a machine of the cluster (`ray job submit` does) with --address auto"
        )
    host, _, port = address.rpartition(":")
    if address != FIND and not (re.fullmatch(r"[A-Za-z0-9_.-]+|\[[0-9a-fA-F:.]+\]", host) and _is_port(port)):
        raise UsageError(f"--address is {FIND} or HOST:PORT, such as 10.0.0.1:6379, but got {address[:60]!r}")
    return address


def _is_port(text: str) -> bool:
    return bool(re.fullmatch("[0-9]{1,5}", text)) and 1 <= int(text) <= 65535


def _plan_share(placement: Placement, device: str) -> Share:
    if device not in ("cpu", "cuda", "all"):
        raise UsageError(f"--device is cpu, cuda or all with --engine ray, which chooses the GPUs, but got {device!r}")
    gpus, cpus = placement.gpus_per_worker, placement.cpus_per_worker
    gpus = (0.0 if device == "cpu" else 1.0) if gpus is None else gpus
    cpus = 1 if cpus is None else cpus
    if not 0 <= gpus <= 1:
        raise UsageError(f"--gpus-per-worker must be between 0 and 1, a worker's share of one GPU, but got {gpus:g}")
    if cpus < 1:
        raise UsageError(f"--cpus-per-worker must be at least 1, but got {cpus}")
    if (device == "cpu" and gpus) or (device == "cuda" and not gpus):
        raise UsageError(
            f"--device {device} and --gpus-per-worker {gpus:g} contradict each other; leave one of them out"
        )
    return Share(cpus=cpus, gpus=gpus)


def count_units(number: float, unit: str) -> str:
    """Return a number of CPUs or GPUs for people, such as `0.5 GPU` or `no GPUs`."""
    return f"{number:g} {unit}{'' if number <= 1 else 's'}" if number else f"no {unit}s"
