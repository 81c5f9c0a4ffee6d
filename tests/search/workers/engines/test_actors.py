"""What is done with a cluster's actors, on a cluster that is a few small classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from search.connection import find_address
from search.errors import Exit, SearchError, UsageError
from search.workers.engines import actors
from search.workers.engines.actors import Actors
from search.workers.engines.orders import Ended, Outcome, Waiting, WorkerTask
from search.workers.engines.placement import ClusterRequest, Share
from search.workers.job import LOST

HERE = (actors.version("depthsearch"), actors.__name__)
TASK = WorkerTask(study="s", objective=None, storage="postgresql://db/search", settings={}, device="cpu", threads=1)


class RayError(Exception):
    """As Ray's own: the first of all its errors."""


class RayTaskError(RayError):
    """As Ray's own: the code of an actor has failed."""


class RayActorError(RayError):
    """As Ray's own: an actor is gone."""


class ActorUnavailableError(RayActorError):
    """As Ray's own: it may come back."""


@dataclass
class Call:
    """A call of an actor, and its answer once there is one: a value, or an exception to raise."""

    name: str
    arguments: tuple[Any, ...]
    answer: Any = None


@dataclass
class Method:
    """A method of an actor."""

    actor: Actor
    name: str

    def remote(self, *arguments: Any) -> Call:
        self.actor.calls.append(Call(self.name, arguments))
        return self.actor.calls[-1]

    def options(self, **given: Any) -> Method:
        assert given == {"max_task_retries": -1}
        return self


@dataclass
class Actor:
    """An actor whose answers a test gives."""

    calls: list[Call] = field(default_factory=list)
    killed: bool = False

    def __getattr__(self, name: str) -> Method:
        return Method(self, name)


class Ray:
    """The part of the module `ray` that is used."""

    def __init__(self) -> None:
        self.exceptions = self
        self.RayError, self.RayTaskError, self.ActorUnavailableError = RayError, RayTaskError, ActorUnavailableError
        self.options: dict[str, Any] = {}
        self.actors: list[Actor] = []

    def remote(self, **options: Any) -> Callable[[type], Any]:
        self.options = options

        def decorate(kind: type) -> Any:
            return type("Class", (), {"remote": staticmethod(self._start)})

        return decorate

    def _start(self) -> Actor:
        self.actors.append(Actor())
        return self.actors[-1]

    def wait(self, calls: list[Call], num_returns: int = 1, timeout: float = 0) -> tuple[list[Call], list[Call]]:
        return [call for call in calls if call.answer is not None], [call for call in calls if call.answer is None]

    def get(self, call: Call) -> Any:
        if isinstance(call.answer, Exception):
            raise call.answer
        return call.answer

    def kill(self, actor: Actor) -> None:
        actor.killed = True

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 4.0}

    def shutdown(self) -> None:
        pass


@dataclass
class Crew:
    """Actors, the cluster that they are on, and what was reported."""

    ray: Ray
    actors: Actors
    reports: list[object]


@pytest.fixture
def crew() -> Crew:
    """Start two workers."""
    ray, reports = Ray(), []
    storage = find_address("postgresql://db.example.org/search")
    request = ClusterRequest(address="auto", workers=2, share=Share(cpus=3, gpus=0.5), storage=storage)
    made = Actors(ray, request, reports.append)
    for index in range(2):
        made.start(index, TASK)
    return Crew(ray, made, reports)


def answer(crew: Crew, index: int, name: str, value: Any) -> None:
    """Answer an actor's last call, which must be of this method."""
    call = crew.ray.actors[index].calls[-1]
    assert (call.name, call.answer) == (name, None)
    call.answer = value
    crew.actors.look()


def test_actors_ask_for_their_share_and_are_restarted_for_ever(crew: Crew) -> None:
    assert {name: crew.ray.options[name] for name in ("num_cpus", "num_gpus", "max_restarts", "max_task_retries")} == {
        "num_cpus": 3,
        "num_gpus": 0.5,
        "max_restarts": -1,
        "max_task_retries": 0,
    }
    assert crew.ray.options["scheduling_strategy"] == "SPREAD"


def test_a_worker_begins_once_its_actor_has_a_place_and_frees_it_at_the_end(crew: Crew) -> None:
    crew.actors.look()
    assert [call.name for actor in crew.ray.actors for call in actor.calls] == ["describe", "describe"]
    answer(crew, 0, "describe", HERE)
    assert crew.ray.actors[0].calls[-1].arguments == (TASK,)
    answer(crew, 0, "run", Outcome(code=Exit.DONE))
    assert crew.reports == [Ended(index=0, outcome=Outcome(code=Exit.DONE))]
    assert [actor.killed for actor in crew.ray.actors] == [True, False]
    crew.actors.withdraw()
    assert crew.reports[1:] == [Ended(index=1, outcome=Outcome(code=Exit.DONE))]
    assert all(actor.killed for actor in crew.ray.actors)


def test_a_worker_that_died_starts_again_in_the_same_actor_wherever_that_is_then(crew: Crew) -> None:
    answer(crew, 0, "describe", HERE)
    answer(crew, 0, "run", RayActorError("The actor died.\nThe node gpu-1 was terminated.\n"))
    [ended] = crew.reports
    assert isinstance(ended, Ended)
    assert (ended.index, ended.outcome.code, ended.outcome.reason) == (0, LOST, None)
    assert ended.outcome.place.endswith(": The node gpu-1 was terminated")
    crew.actors.start(0, TASK)
    answer(crew, 0, "describe", (HERE[0], "gpu-2"))
    answer(crew, 0, "run", ActorUnavailableError("The actor is temporarily unavailable: rpc_code: 14"))
    assert crew.reports[-1] == Ended(index=0, outcome=Outcome(code=LOST, place="gpu-2"))
    crew.actors.start(0, TASK)
    answer(crew, 0, "describe", (HERE[0], "gpu-2"))
    answer(crew, 0, "run", Outcome(code=-9, place="gpu-2"))
    assert crew.reports[-1] == Ended(index=0, outcome=Outcome(code=-9, place="gpu-2"))
    assert len(crew.ray.actors) == 2


def test_an_error_of_the_worker_s_own_start_is_its_reason(crew: Crew) -> None:
    answer(crew, 1, "describe", HERE)
    answer(crew, 1, "run", RayTaskError("Traceback:\nOSError: no space left\n"))
    [ended] = crew.reports
    assert isinstance(ended, Ended)
    assert ended.outcome.code == Exit.FAILED
    assert str(ended.outcome.reason).endswith("failed: OSError: no space left")


@pytest.mark.parametrize(
    ("described", "said"),
    [
        (("0.0.1", "gpu-7"), f"gpu-7 has depthsearch 0.0.1, and this machine {HERE[0]}; install the same release"),
        (
            RayActorError("died\nModuleNotFoundError: No module named 'search'"),
            "No module named 'search'; install depth",
        ),
    ],
    ids=["another release", "not installed"],
)
def test_a_machine_without_this_release_ends_the_run(crew: Crew, described: Any, said: str) -> None:
    with pytest.raises(SearchError) as failed:
        answer(crew, 0, "describe", described)
    assert said in str(failed.value)


def test_a_machine_that_joins_later_must_reach_the_storage_too() -> None:
    ray, storage = Ray(), find_address("postgresql://localhost/search")
    request = ClusterRequest(address="auto", workers=1, share=Share(cpus=1, gpus=0), storage=storage)
    crew = Crew(ray, Actors(ray, request, [].append), [])
    crew.actors.start(0, TASK)
    with pytest.raises(UsageError, match="means each machine itself, and gpu-9 is not this one"):
        answer(crew, 0, "describe", (HERE[0], "gpu-9"))


def test_waiting_for_a_place_is_said_once_until_all_have_one(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    crew.actors.look()
    assert crew.reports == []
    monkeypatch.setattr(actors, "PATIENCE_SECONDS", -1.0)
    answer(crew, 0, "describe", HERE)
    crew.actors.look()
    assert crew.reports == [Waiting(count=1, cpus=4.0, gpus=0.0)]
    answer(crew, 1, "describe", HERE)
    answer(crew, 1, "run", RayActorError("gone"))
    crew.actors.start(1, TASK)
    crew.actors.look()
    assert crew.reports[-1] == Waiting(count=1, cpus=4.0, gpus=0.0)
    assert len(crew.reports) == 3


@pytest.mark.parametrize("outcome", [Exit.TERMINATED, Exit.DONE, -9, None])
def test_at_the_end_workers_finish_their_step_and_actors_end(crew: Crew, outcome: int | None) -> None:
    answer(crew, 0, "describe", HERE)
    working = crew.ray.actors[0].calls[-1]
    working.answer = None if outcome is None else Outcome(code=outcome)
    assert crew.actors.end() == (outcome in (-9, None))
    assert [[call.name for call in actor.calls] for actor in crew.ray.actors] == [
        ["describe", "run", "end"],
        ["describe"],
    ]
    assert all(actor.killed for actor in crew.ray.actors)
