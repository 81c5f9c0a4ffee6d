"""What the flags of an engine mean, and what is refused, before anything is started."""

from __future__ import annotations

import importlib.util
import socket
from typing import Any

import pytest

from search.connection import find_address
from search.errors import UsageError
from search.settings import Settings
from search.workers.engines import placement
from search.workers.engines.placement import Placement, Share, check_answers, check_local, check_reach, plan_cluster

STORAGE = "postgresql://me:secret@db.example.org/search"


def plan(environ: dict[str, str] | None = None, *, device: str = "all", **flags: Any) -> placement.ClusterRequest:
    """Return what is asked of a cluster at an address, by 64 workers."""
    given = {"engine": "ray", "address": "10.0.0.1:6379", **flags}
    return plan_cluster(Placement(**given), Settings(storage=STORAGE, workers=64, device=device), environ or {})


@pytest.mark.parametrize(
    ("flags", "share", "device"),
    [
        ({}, Share(cpus=1, gpus=1.0), "cuda:0"),
        ({"device": "cuda"}, Share(cpus=1, gpus=1.0), "cuda:0"),
        ({"gpus_per_worker": 0.5, "cpus_per_worker": 4}, Share(cpus=4, gpus=0.5), "cuda:0"),
        ({"device": "cpu"}, Share(cpus=1, gpus=0.0), "cpu"),
        ({"gpus_per_worker": 0.0}, Share(cpus=1, gpus=0.0), "cpu"),
        ({"device": "cpu", "gpus_per_worker": 0.0, "cpus_per_worker": 2}, Share(cpus=2, gpus=0.0), "cpu"),
    ],
    ids=str,
)
def test_a_worker_gets_its_share(flags: dict[str, Any], share: Share, device: str) -> None:
    asked = plan(**flags)
    assert (asked.share, asked.device, asked.workers) == (share, device, 64)
    assert asked.storage.text == "postgresql://me@db.example.org/search"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            {"gpus_per_worker": 1.5},
            "--gpus-per-worker must be between 0 and 1, a worker's share of one GPU, but",
        ),
        ({"gpus_per_worker": -0.5}, "--gpus-per-worker must be between 0 and 1"),
        ({"gpus_per_worker": float("nan")}, "--gpus-per-worker must be between 0 and 1"),
        ({"cpus_per_worker": 0}, "--cpus-per-worker must be at least 1, but got 0"),
        ({"device": "cpu", "gpus_per_worker": 1.0}, "--device cpu and --gpus-per-worker 1 contradict each other"),
        ({"device": "cuda", "gpus_per_worker": 0.0}, "--device cuda and --gpus-per-worker 0 contradict each other"),
        ({"device": "cuda:0,cuda:1"}, "which chooses the GPUs, but got 'cuda:0,cuda:1'"),
        ({"address": "ray://head:10001"}, "is of Ray Client"),
        ({"address": "head"}, "--address is auto or HOST:PORT, such as 10.0.0.1:6379, but got 'head'"),
        ({"address": "head:0"}, "--address is auto or HOST:PORT"),
        ({"address": "local"}, "--address is auto or HOST:PORT"),
        ({"address": "a b:1"}, "--address is auto or HOST:PORT"),
        ({"address": None}, "--engine ray needs the cluster's address"),
    ],
    ids=str,
)
def test_what_breaks_a_rule_is_refused(flags: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as refused:
        plan(**flags)
    assert said in str(refused.value)


def test_the_address_comes_from_the_flag_then_from_the_environment() -> None:
    environ = {"RAY_ADDRESS": "head:6379"}
    assert plan(environ, address=None).address == "head:6379"
    assert plan(environ, address="[::1]:6380").address == "[::1]:6380"
    assert plan(environ, address="auto").address == "auto"


def test_a_cluster_is_asked_for_a_number_of_workers_and_needs_a_postgres_of_its_own() -> None:
    asked = Placement(engine="ray", address="auto")
    with pytest.raises(UsageError, match="--engine ray needs --workers N"):
        plan_cluster(asked, Settings(storage=STORAGE), {})
    with pytest.raises(UsageError, match="workers elsewhere cannot reach the embedded server of this machine"):
        plan_cluster(asked, Settings(workers=2), {})


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"engine": "rya"}, "there is no engine 'rya'; did you mean ray"),
        ({"address": "auto"}, "--address is for --engine ray; leave it out, or add --engine ray"),
        ({"gpus_per_worker": 0.5}, "--gpus-per-worker is for --engine ray"),
        ({"cpus_per_worker": 1}, "--cpus-per-worker is for --engine ray"),
    ],
    ids=str,
)
def test_flags_of_a_cluster_are_refused_without_it(flags: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as refused:
        check_local(Placement(**flags))
    assert said in str(refused.value)


def test_without_ray_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"run `pip install 'depthsearch\[ray\]'`"):
        placement.check_installed()


def test_an_address_where_nothing_listens_is_refused_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        check_answers(address)
    check_answers("auto")
    with pytest.raises(UsageError, match=f"no Ray cluster answers at {address} "):
        check_answers(address)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", ""])
def test_a_storage_of_this_machine_is_reached_from_this_machine_alone(host: str) -> None:
    local, here = find_address(f"postgresql://me@{host}/search"), socket.gethostname()
    check_reach(local, [here])
    with pytest.raises(UsageError) as refused:
        check_reach(local, [here, "gpu-2", "gpu-1"])
    assert "means each machine itself, and gpu-1, gpu-2 are not this one; name a host that all" in str(refused.value)
    check_reach(find_address(STORAGE), [here, "gpu-2"])


def test_the_flags_say_the_placement_again() -> None:
    flags = Placement(engine="ray", address="auto", gpus_per_worker=0.5).flags
    assert flags == ("--engine", "ray", "--address", "auto", "--gpus-per-worker", "0.5")
    assert str(Share(cpus=2, gpus=0.5)) == "2 CPUs and 0.5 GPU"
