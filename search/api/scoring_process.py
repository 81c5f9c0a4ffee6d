"""The final step in a process of its own: it seals its process against test files, which cannot be undone."""

from __future__ import annotations

import contextlib
import pickle
import signal
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from search.api import scoring
from search.api.scoring import FinalRequest
from search.api.session import Session, open_session
from search.errors import Interrupted, SearchError
from search.errors.messages import user_message
from search.evaluation.results.score import Score
from search.logs import configure, send_prints_to_stderr
from search.settings import Settings
from search.signals import WARNINGS, end_on_first
from search.workers import processes


@dataclass(frozen=True, kw_only=True)
class ScoringJob:
    """What the process is told at its start."""

    study: str
    objective: str | None
    settings: Settings = field(repr=False)
    """With the storage's URL, which travels through a pipe."""
    request: FinalRequest


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How the process ended: a score or an error."""

    score: Score | None = None
    error: Exception | None = None


def score_in_process(
    session: Session, request: FinalRequest, settings: Settings, tell: Callable[[str], object] | None
) -> Score:
    """Do what `scoring.score` does, in another process, which ends with this one.

    Raises:
        SearchError: the process died; or as `scoring.score`.
    """
    job = ScoringJob(
        study=session.record.name,
        objective=session.objective,
        settings=settings.model_copy(update={"storage": session.address}),
        request=request,
    )
    context = processes.start_fork_server()
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_main, args=(job, sender), name="final", daemon=True)
    with processes.hidden_main():
        process.start()
    sender.close()
    try:
        answer = _wait(receiver, tell)
    except BaseException:
        process.terminate()
        raise
    finally:
        process.join(processes.GRACE_SECONDS)
        process.kill()
        receiver.close()
    if answer.error is not None:
        raise answer.error
    assert answer.score is not None
    return answer.score


def _wait(receiver: Connection, tell: Callable[[str], object] | None) -> Answer:
    try:
        while not isinstance(message := receiver.recv(), Answer):
            if tell is not None:
                tell(message)
    except EOFError:
        raise SearchError(
            "the process of the final step died; run `search doctor`, then the final step again"
        ) from None
    return message


def _main(job: ScoringJob, sender: Connection) -> None:
    configure()
    send_prints_to_stderr()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends this process
    end_on_first(WARNINGS)
    threading.Thread(target=processes.end_with_parent, daemon=True).start()
    with contextlib.suppress(Interrupted, OSError):
        _send(sender, _score(job, sender))


def _score(job: ScoringJob, sender: Connection) -> Answer:
    try:
        with closing(open_session(job.study, job.settings, job.objective)) as session:
            return Answer(score=scoring.score(session, job.request, sender.send))
    except Exception as error:
        return Answer(error=error)


def _send(sender: Connection, answer: Answer) -> None:
    try:
        sender.send(answer)
    except (pickle.PicklingError, TypeError, AttributeError):  # an error of another package that cannot travel
        assert answer.error is not None
        sender.send(Answer(error=SearchError(user_message(answer.error))))
