"""What a command makes of the words of its cluster's client, which are put into its mouth here."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

import pytest

from search.connection import find_address
from search.errors import Exit, SearchError, UsageError
from search.settings import load
from search.workers.engines import ray_engine
from search.workers.engines.orders import Closed, Connected, End, Ended, Outcome, Refused, Start, Waiting, Withdraw
from search.workers.engines.placement import ClusterRequest, Share
from search.workers.engines.ray_engine import RayEngine
from search.workers.job import LOST, WorkerJob

STORAGE = "postgresql://me:hunter2@db.example.org/search"
REQUEST = ClusterRequest(
    address="auto", workers=2, share=Share(cpus=1, gpus=0.5), storage=find_address("postgresql://me@db/search")
)


@dataclass
class Client:
    """A process that is never started, and its end of the pipe."""

    pipe: Connection
    exitcode: int | None = None
    ends: list[str] = field(default_factory=list)

    def join(self, seconds: float | None = None) -> None:
        self.ends.append("join")
        self.exitcode = 0

    def kill(self) -> None:
        self.ends.append("kill")


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    ours, theirs = multiprocessing.Pipe()
    client = Client(theirs)
    monkeypatch.setattr(ray_engine, "start_client", lambda request: (client, ours))
    monkeypatch.setattr(ray_engine, "check_installed", lambda: None)
    yield client
    theirs.close()
    ours.close()


def connect(client: Client) -> RayEngine:
    """Return an engine whose cluster has answered, with two workers."""
    client.pipe.send(Connected(address="10.0.0.1:6379"))
    engine = RayEngine(REQUEST)
    job = WorkerJob(
        storage=STORAGE, study="s", objective=None, settings=load(storage=STORAGE), device="cuda:0", threads=1
    )
    for index in range(2):
        engine.start(index, job)
        order = client.pipe.recv()
        assert isinstance(order, Start)
        assert (order.index, "hunter2" in repr(order)) == (index, False)
    return engine


@pytest.mark.parametrize(("usage", "error"), [(True, UsageError), (False, SearchError)])
def test_what_the_client_refuses_is_the_command_s_error(client: Client, usage: bool, error: type[Exception]) -> None:
    client.pipe.send(Refused(reason="it obeys everybody", usage=usage))
    with pytest.raises(error, match="it obeys everybody") as raised:
        RayEngine(REQUEST)
    assert type(raised.value) is error
    assert client.ends == ["kill", "join"]


def test_a_client_that_dies_at_once_is_an_error(client: Client) -> None:
    client.pipe.close()
    with pytest.raises(SearchError, match="ended without an answer"):
        RayEngine(REQUEST)


def test_workers_end_as_the_client_says(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    engine = connect(client)
    first, second = engine._workers[0], engine._workers[1]
    engine.collect()
    assert (first.exitcode, second.exitcode) == (None, None)
    client.pipe.send(Waiting(count=1, cpus=4.0, gpus=1.0))
    client.pipe.send(Ended(index=0, outcome=Outcome(code=LOST, place="gpu-1: the node is gone")))
    client.pipe.send(Ended(index=1, outcome=Outcome(code=Exit.FAILED, reason="the data differ", place="gpu-2")))
    engine.collect()
    assert [record.getMessage() for record in caplog.records] == [
        "1 of 2 workers wait for a place on the cluster, which has 4 CPUs and 1 GPU now; each takes 1 CPU and 0.5 GPU"
    ]
    assert (first.exitcode, first.read_message()) == (LOST, None)
    assert first.describe_end() == "its actor was lost on gpu-1: the node is gone"
    assert (second.exitcode, second.read_message()) == (Exit.FAILED, "on gpu-2: the data differ")
    assert str(engine) == "the Ray cluster at 10.0.0.1:6379, each with 1 CPU and 0.5 GPU"


def test_a_lost_connection_fails_the_workers_that_run(client: Client) -> None:
    engine = connect(client)
    client.pipe.send(Ended(index=0, outcome=Outcome(code=Exit.DONE)))
    client.pipe.close()
    engine.collect()
    assert [worker.exitcode for worker in engine._workers.values()] == [Exit.DONE, Exit.FAILED]
    assert engine._workers[1].read_message() == "the connection to the Ray cluster at 10.0.0.1:6379 was lost"
    assert engine.end()


@pytest.mark.parametrize("killed", [True, False])
def test_the_end_waits_for_the_client_s_last_word(client: Client, killed: bool) -> None:
    engine = connect(client)
    engine.withdraw()
    client.pipe.send(Ended(index=0, outcome=Outcome(code=Exit.TERMINATED)))
    client.pipe.send(Closed(killed=killed))
    assert engine.end() == killed
    assert [type(client.pipe.recv()) for _ in range(2)] == [Withdraw, End]
    assert client.ends == ["join"]
