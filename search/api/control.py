"""What people ask of studies in training: pause and stop them, cancel and void trials, send workers away.

Each is stored in one transaction, and reaches every worker with its next epoch or, within seconds, its next beat.
"""

from __future__ import annotations

from dataclasses import dataclass

from search.api.session import Session
from search.errors import NothingToDo, UsageError
from search.study.create import check_not_moved
from search.study.status import SILENT_SECONDS
from spaces.suggestions import suggest
from storage.database import Database
from storage.errors import format_command
from storage.leasing import withdrawal, workers
from storage.leasing.withdrawal import Withdrawal
from storage.records import studies

LONGEST_REASON = 300


@dataclass(frozen=True, kw_only=True)
class WithdrawnTrial:
    """A trial that was cancelled or voided just now."""

    study: str
    trial: int
    was: str
    """Its state until then: `running`, `waiting`, `complete`, `pruned` or `fail`."""
    reason: str | None
    """Why it was voided; None if it was cancelled."""
    others: tuple[int, ...] = ()
    """Repeats of its configuration that had been stopped because of it, and are voided with it."""

    @property
    def sentences(self) -> list[str]:
        """What became of the trial, and of the slot that it had."""
        what = f"study {self.study}: trial {self.trial}"
        if self.reason is None:
            if self.was == "waiting":
                return [f"{what} waits no more; it had no slot of the budget"]
            return [f"{what} is cancelled: its worker ends it now; its slot is spent, and its curve counts"]
        also = "" if not self.others else f", and so are {', '.join(map(str, self.others))}, stopped because of it"
        resume = format_command("resume", "--study", self.study)
        return [
            f"{what} ({self.was}) is void{also}: {self.reason}",
            f"nothing counts it any more; where no worker is left to use its slot, continue with: {resume}",
        ]


def pause_study(session: Session) -> None:
    """Let every worker of the study store its trial's state, release it and wait, until `resume`.

    Raises:
        NothingToDo: the study was stopped or moved.
    """
    session.database.check_writable()
    before = studies.change_control(session.database.engine, session.record.study_id, "pause", among=("run", "pause"))
    if before not in ("run", "pause"):
        raise NothingToDo(
            f"study {session.record.name!r} {_describe_end(session)}, so that no worker trains it; there is nothing to "
            "pause"
        )


def stop_study(session: Session) -> None:
    """Tell every worker of the study, on any machine, to store its trial's state and end.

    Raises:
        NothingToDo: the study was moved to another storage, or an error has stopped it.
    """
    session.database.check_writable()
    running: tuple[studies.Control, ...] = ("run", "pause", "stop")
    before = studies.change_control(session.database.engine, session.record.study_id, "stop", among=running)
    if before not in running:
        raise NothingToDo(f"study {session.record.name!r} {_describe_end(session)}; there is nothing to stop")


def cancel_trial(session: Session, number: int) -> WithdrawnTrial:
    """End a trial that runs as PRUNED, with its curve and its slot spent; remove one that waits from the queue.

    Raises:
        UsageError: the study has no such trial, or was moved to another storage.
        NothingToDo: the trial has ended.
    """
    found = _withdraw(session, number, None)
    if not found.done:
        void = format_command("void", "--study", session.record.name, "--trial", str(number), "--reason", "...")
        raise NothingToDo(
            f"trial {number} of study {session.record.name!r} {_describe_state(found)}, so that there is nothing to "
            f"cancel; `{void}` lets nothing count it"
        )
    return _describe(session, number, found, None)


def void_trial(session: Session, number: int, reason: str) -> WithdrawnTrial:
    """Keep a trial and show it, but let nothing count it or learn from it; its slot of the budget is free again.

    Raises:
        UsageError: the study has no such trial or was moved to another storage, or the reason breaks a rule.
        NothingToDo: the trial was voided before.
    """
    if not (reason.strip() and len(reason) <= LONGEST_REASON):
        raise UsageError(
            f"a trial is voided for a reason of 1 to {LONGEST_REASON} characters, which `search status` shows, but got "
            f"{reason[:60]!r}; give it with --reason"
        )
    found = _withdraw(session, number, reason.strip())
    if not found.done:
        raise NothingToDo(f"trial {number} of study {session.record.name!r} was voided before: {found.told}")
    return _describe(session, number, found, reason.strip())


def drain_workers(database: Database, name: str, *, at_once: bool) -> list[str]:
    """Ask a worker, or all of a host, to leave after their trials, or at once; return a full name of each.

    A worker of a service is found between two studies, too.

    Args:
        name: A worker's name, the last part of it, or a host.

    Raises:
        UsageError: no worker that was heard from lately has such a name.
    """
    database.check_writable()
    living = workers.list_living(database.engine, SILENT_SECONDS)
    last = workers.abbreviate(name)
    named = [worker for worker in living if name == workers.get_host(worker) or last == workers.abbreviate(worker)]
    left = workers.ask_to_leave(database.engine, named, at_once=at_once)
    if not left:
        known = sorted({*map(workers.abbreviate, living), *map(workers.get_host, living)})
        hint = suggest(name, known, otherwise="see `search status`") if known else "no worker was heard from lately"
        raise UsageError(f"there is no worker {name!r}, and no worker on such a host; {hint}")
    return [*{(workers.get_host(worker), workers.abbreviate(worker)): worker for worker in left}.values()]


def _withdraw(session: Session, number: int, reason: str | None) -> Withdrawal:
    """Cancel a trial, or void it for the reason."""
    check_not_moved(session.record)
    session.view.find_trial(number)
    session.database.check_writable()
    engine, study_id = session.database.engine, session.record.study_id
    if reason is None:
        return withdrawal.cancel(engine, study_id, number)
    return withdrawal.void(engine, study_id, number, reason)


def _describe(session: Session, number: int, found: Withdrawal, reason: str | None) -> WithdrawnTrial:
    return WithdrawnTrial(
        study=session.record.name, trial=number, was=found.before.name.lower(), reason=reason, others=found.others
    )


def _describe_state(found: Withdrawal) -> str:
    """Return what became of a trial that cannot be cancelled any more."""
    if found.told is not None:
        return f"was voided ({found.told})"
    return {"complete": "is complete", "pruned": "was stopped early", "fail": "has failed"}[found.before.name.lower()]


def _describe_end(session: Session) -> str:
    """Return why no worker trains a study."""
    record = studies.get(session.database.engine, session.record.name)
    return (
        f"was {record.reason}"
        if record.control == "moved"
        else "was stopped" + (f": {record.reason}" if record.reason else "")
    )
