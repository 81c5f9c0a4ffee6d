"""A rank's end of the pipe: calls and answers, orders to stop, and what it leaves behind when its worker is gone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from objectives.base.errors import StopTraining
from search.workers.ranks.link import FirstCallback, Link, report_through
from search.workers.ranks.messages import Answer, Call, Progress, Stop
from tests.search.command import until


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the rendezvous."""
    (tmp_path / "rendezvous").mkdir()
    return tmp_path / "rendezvous"


@pytest.fixture
def worker(folder: Path) -> Iterator[tuple[Connection, Link]]:
    """The worker's end, and the rank's; the rank has told its last at the end of the test."""
    ours, theirs = Pipe()
    link = Link(theirs, folder)
    yield ours, link
    ended = threading.Thread(target=link.wait_for_end)
    ended.start()
    assert link._over.wait(10)  # from here on the end of the pipe does not end this process
    ours.close()
    ended.join(10)
    assert not ended.is_alive()
    assert not folder.exists()


def answer(ours: Connection, reply: Answer) -> list[Call]:
    """Answer the next call, in the background; the list gets it."""
    calls: list[Call] = []

    def serve() -> None:
        calls.append(ours.recv())
        ours.send(reply)

    threading.Thread(target=serve, daemon=True).start()
    return calls


def test_a_call_returns_what_the_worker_answers(worker: tuple[Connection, Link]) -> None:
    ours, link = worker
    calls = answer(ours, Answer(True))
    assert FirstCallback(link, None, wants_layers=False).due()
    assert calls == [Call("due", ())]


def test_a_report_that_the_worker_refuses_stops_the_training(worker: tuple[Connection, Link]) -> None:
    ours, link = worker
    calls = answer(ours, Answer(stops=True))
    with pytest.raises(StopTraining):
        report_through(link, 3, {"accuracy": 0.5})
    assert calls == [Call("report", (3, {"accuracy": 0.5}))]


def test_progress_is_told_now_and_then(worker: tuple[Connection, Link]) -> None:
    ours, link = worker
    callback = FirstCallback(link, None, wants_layers=True)
    callback.beat()
    assert ours.recv() == Progress()
    callback.beat()
    assert callback.wants_layers()


@pytest.mark.parametrize(
    "do", [lambda callback, link: callback.beat(), lambda callback, link: report_through(link, 0, {})]
)
def test_an_order_to_stop_is_followed_at_the_next_batch_or_report(
    worker: tuple[Connection, Link], do: Callable[[FirstCallback, Link], None]
) -> None:
    ours, link = worker
    ours.send(Stop())
    until(lambda: link.stops, "the order")
    with pytest.raises(StopTraining):
        do(FirstCallback(link, None, wants_layers=False), link)


def test_after_it_the_state_is_still_kept(worker: tuple[Connection, Link]) -> None:
    ours, link = worker
    ours.send(Stop())
    until(lambda: link.stops, "the order")
    calls = answer(ours, Answer())
    FirstCallback(link, None, wants_layers=False).keep(2, b"state")
    assert calls == [Call("keep", (2, b"state"))]
