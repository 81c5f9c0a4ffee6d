"""Which of the ranks' failures is the cause, and what kind of failure an exception is."""

from __future__ import annotations

import pytest

from objectives.base.errors import Diverged, OutOfMemory, StopTraining
from objectives.data.files.errors import DataError
from search.workers.ranks.messages import Ended, Failed, RankBug, RankLost
from search.workers.ranks.process import describe_end
from search.workers.ranks.training import choose_cause

GONE = RuntimeError("[gloo/transport/tcp/pair.cc:561] Connection closed by peer [127.0.0.1]:31158")
LATE = RuntimeError("[gloo/transport/tcp/unbound_buffer.cc:81] Timed out waiting 1800000ms for recv operation")


def failed(cause: str, at: float) -> Failed:
    return Failed(cause=cause, text=cause, at=at)  # type: ignore[arg-type]


def wrapped(error: Exception) -> Exception:
    """Return an error of an objective that was raised from another."""
    try:
        raise ValueError("the step failed") from error
    except ValueError as outer:
        return outer


@pytest.mark.parametrize(
    ("told", "cause"),
    [
        ([("bug", 2.0), ("out of memory", 1.0)], "out of memory"),
        ([("lost", 1.0), ("diverged", 2.0)], "diverged"),
        ([("lost", 1.0), ("lost", 2.0)], "lost"),
    ],
)
def test_the_first_failure_is_the_cause_unless_it_only_lost_touch(told: list[tuple[str, float]], cause: str) -> None:
    assert choose_cause([failed(*one) for one in told]).cause == cause


@pytest.mark.parametrize(
    ("error", "cause", "raised"),
    [
        (Diverged("loss became nan"), "diverged", Diverged),
        (OutOfMemory("too little", 7), "out of memory", OutOfMemory),
        (DataError("no images"), "data", DataError),
        (GONE, "lost", RankLost),
        (wrapped(GONE), "lost", RankLost),
        (RuntimeError("CUDA error: device-side assert triggered"), "lost", RankLost),
        (LATE, "bug", RankBug),
        (KeyError("a bug of mine"), "bug", RankBug),
    ],
)
def test_an_exception_becomes_one_of_its_kind_in_the_worker(
    error: Exception, cause: str, raised: type[Exception]
) -> None:
    told = describe_end(error)
    assert isinstance(told, Failed)
    assert told.cause == cause
    assert type(told.to_error()) is raised


def test_what_is_stored_of_a_failure_survives_the_way() -> None:
    memory, bug = describe_end(OutOfMemory("too little", 7)), describe_end(wrapped(KeyError("a bug of mine")))
    assert isinstance(memory, Failed)
    assert isinstance(bug, Failed)
    assert getattr(memory.to_error(), "peak_bytes", None) == 7
    assert bug.bug["kind"].startswith(f"ValueError at {__file__}:")
    assert "a bug of mine" in bug.bug["traceback"]


def test_a_training_that_was_stopped_has_not_failed() -> None:
    assert describe_end(StopTraining()) == Ended()
