"""An epoch's report is on its way while the next epoch trains, and what it comes to ends the training."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import cast

import pytest

from search.workers.heartbeat import Heartbeat
from search.workers.pending_report import PendingReport, Pruned


class Watch:
    """A heartbeat that only notes whether a missing batch would count as a hung training."""

    paused = False

    @contextmanager
    def pause_hang_detection(self) -> Iterator[None]:
        self.paused = True
        yield
        self.paused = False


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def pending(watch: Watch) -> Iterator[PendingReport]:
    with closing(PendingReport(cast(Heartbeat, watch))) as pending:
        yield pending


@pytest.mark.parametrize("pruned", [False, True])
def test_training_goes_on_until_the_answer_comes(pending: PendingReport, watch: Watch, pruned: bool) -> None:
    answer, seen = threading.Event(), []

    def job() -> bool:
        answer.wait(10)
        seen.append(watch.paused)
        return pruned

    pending.submit(job)
    pending.check()  # between two batches: nothing is known yet
    threading.Timer(0.05, answer.set).start()
    if pruned:
        with pytest.raises(Pruned):
            pending.wait()
    else:
        pending.wait()
    assert seen == [True], "who waits for the storage may be taken for a training that hangs"
    pending.check()  # told once
    pending.wait()


def test_an_answer_that_has_come_ends_training_at_the_next_batch(pending: PendingReport) -> None:
    pending.submit(lambda: True)
    pending.close()  # the answer has come by then
    with pytest.raises(Pruned):
        pending.check()


def test_an_error_reaches_the_training(pending: PendingReport) -> None:
    pending.submit(lambda: 1 / 0 > 0)
    with pytest.raises(ZeroDivisionError):
        pending.wait()
    pending.submit(lambda: False)
    pending.wait()
