"""What the supervisor makes of workers' ends, whatever engine starts them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import pytest

from search.errors import Exit, SearchError
from search.settings import load
from search.workers import supervisor
from search.workers.engines.orders import Outcome
from search.workers.engines.ray_engine import ClusterWorker
from search.workers.job import HUNG, LOST, OUTAGE, WorkerJob
from search.workers.machine.restarts import DEATHS_THAT_STOP, Patience
from search.workers.supervisor import Supervisor, WorkerPool
from storage.database import Database
from storage.records import studies


@dataclass
class Engine:
    """Starts workers that end at once, in the order of `outcomes`, the last of which repeats."""

    outcomes: list[Outcome]
    started: list[int] = field(default_factory=list)
    withdrawn: bool = False
    ended: bool = False

    def share(self, jobs: Sequence[WorkerJob], *, may_grow: bool) -> AbstractContextManager[Mapping[str, str]]:
        return nullcontext({})

    def start(self, index: int, job: WorkerJob) -> ClusterWorker:
        self.started.append(index)
        return ClusterWorker(self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0])

    def collect(self) -> None:
        pass

    def withdraw(self) -> None:
        self.withdrawn = True

    def end(self) -> bool:
        self.ended = True
        return False


def supervise(database: Database, engine: Engine, *, workers: int = 1, over: bool = True) -> Engine:
    """Let a supervisor run workers of a new study."""
    record = studies.create(database, "s", {}, 1)
    job = WorkerJob(storage="", study="s", objective=None, settings=load(), device="cpu", threads=1)
    pool = WorkerPool(database=database, study_id=record.study_id, jobs=[job] * workers, is_over=lambda: over)
    try:
        Supervisor(pool, engine, Patience(seconds=0.0)).run(lambda: None)
    finally:
        assert engine.ended
    return engine


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "POLL_SECONDS", 0.0)


def test_workers_that_keep_dying_end_the_run_with_the_reason(database: Database) -> None:
    engine = Engine([Outcome(code=LOST, place="gpu-1: the node is gone")])
    with pytest.raises(SearchError, match=r"finishing an epoch \(the last: its actor was lost on gpu-1: the node"):
        supervise(database, engine, workers=2)
    assert len(engine.started) == 2 * DEATHS_THAT_STOP


def test_a_reason_ends_the_run_and_says_where(database: Database) -> None:
    with pytest.raises(SearchError, match=r"^on gpu-1: the data differ$"):
        supervise(database, Engine([Outcome(code=Exit.FAILED, reason="the data differ", place="gpu-1")]))


def test_outages_hangs_and_deaths_are_followed_by_another_worker_of_the_same_place(database: Database) -> None:
    died, hung = Outcome(code=-9), Outcome(code=HUNG)
    cut = Outcome(code=OUTAGE, reason="the storage is gone")
    engine = supervise(database, Engine([died, hung, cut, Outcome(code=Exit.DONE)]))
    assert engine.started == [0, 0, 0, 0]


def test_a_worker_that_was_asked_to_leave_is_not_replaced(database: Database) -> None:
    assert supervise(database, Engine([Outcome(code=-9, drained=True)])).started == [0]


@pytest.mark.parametrize("over", [True, False])
def test_workers_that_wait_for_a_place_are_given_up_when_nothing_is_left(database: Database, over: bool) -> None:
    assert supervise(database, Engine([Outcome(code=Exit.DONE)]), over=over).withdrawn == over
