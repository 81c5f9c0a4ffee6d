"""Work in a process of its own, because it seals its process against test files, which cannot be undone."""

from __future__ import annotations

import contextlib
import pickle
import signal
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

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
from search.workers.machine import fork_server

Tell = Callable[[str], object]
Work = Callable[[Session, Callable[[str], None]], Any]


@dataclass(frozen=True, kw_only=True)
class SealedJob:
    """What the process is told at its start."""

    study: str
    objective: str | None
    settings: Settings = field(repr=False)
    """With the storage's URL, which travels through a pipe."""
    work: Work


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How the process ended: a result or an error."""

    result: Any = None
    error: Exception | None = None


def score_in_process(session: Session, request: FinalRequest, settings: Settings, tell: Tell | None) -> Score:
    """Do what `scoring.score` does, in another process, which ends with this one.

    Raises:
        SearchError: the process died; or as `scoring.score`.
    """
    score: Score = run_in_process(session, partial(_score, request), settings, tell, "the final step")
    return score


def run_in_process(session: Session, work: Work, settings: Settings, tell: Tell | None, name: str) -> Any:
    """Return what `work` returns for the same study in another process, which ends with this one.

    work: can be pickled, as its result. name: what it is, for people.

    Raises:
        SearchError: the process died; or what `work` raised.
    """
    job = SealedJob(
        study=session.record.name,
        objective=session.objective,
        settings=settings.model_copy(update={"storage": session.address}),
        work=work,
    )
    context = fork_server.start_fork_server()
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_main, args=(job, sender), name=name, daemon=True)
    with fork_server.hidden_main():
        process.start()
    sender.close()
    try:
        answer = _wait(receiver, tell, name)
    except BaseException:
        process.terminate()
        raise
    finally:
        process.join(processes.GRACE_SECONDS)
        process.kill()
        receiver.close()
    if answer.error is not None:
        raise answer.error
    return answer.result


def _score(request: FinalRequest, session: Session, tell: Callable[[str], None]) -> Score:
    return scoring.score(session, request, tell)


def _wait(receiver: Connection, tell: Tell | None, name: str) -> Answer:
    try:
        while not isinstance(message := receiver.recv(), Answer):
            if tell is not None:
                tell(message)
    except EOFError:
        raise SearchError(f"the process of {name} died; run `search doctor`, then {name} again") from None
    return message


def _main(job: SealedJob, sender: Connection) -> None:
    configure()
    send_prints_to_stderr()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends this process
    end_on_first(WARNINGS)
    threading.Thread(target=processes.end_with_parent, daemon=True).start()
    with contextlib.suppress(Interrupted, OSError):
        _send(sender, _work(job, sender))


def _work(job: SealedJob, sender: Connection) -> Answer:
    try:
        with closing(open_session(job.study, job.settings, job.objective)) as session:
            return Answer(result=job.work(session, sender.send))
    except Exception as error:
        return Answer(error=error)


def _send(sender: Connection, answer: Answer) -> None:
    try:
        sender.send(answer)
    except (pickle.PicklingError, TypeError, AttributeError):  # an error of another package that cannot travel
        assert answer.error is not None
        sender.send(Answer(error=SearchError(user_message(answer.error))))
