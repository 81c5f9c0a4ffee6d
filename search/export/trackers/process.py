"""The process that feeds one tracker: it may be slow, print, hang or die without any effect on training."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from objectives.base.errors import first_line
from search.errors import Exit
from search.export.trackers.feed import Ending, Feed
from search.export.trackers.names import clean_text, hide_secrets
from search.export.trackers.outcome import Outcome
from search.export.trackers.registry import TRACKERS, build_tracker
from search.export.trackers.source import Source, StorageAway
from search.study.status import StudyView
from storage import url
from storage.database import Database, open_database
from storage.leasing.turns import hold_turn
from storage.records import studies

TELL_SECONDS = 0.5
TURN_SECONDS = 10.0
"""How long a process waits, at the end of the run, for another one that feeds the same tracker."""
ORPHAN_SECONDS = 20.0
"""How long a process goes on whose parent has died."""


@dataclass(frozen=True, kw_only=True)
class TrackerJob:
    """What the process needs."""

    name: str
    address: str = field(repr=False)
    """The storage's URL."""
    study: str
    folder: Path
    """Where the tracker keeps what it must know at the next run."""
    log: Path
    """Receives what the tracker prints."""
    environment: Mapping[str, str] = field(repr=False)


class Parent:
    """The process that trains, as the tracker's process sees it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def tell(self, message: int | str | None) -> None:
        """Send how many calls the tracker has answered or, at the end, None or why the tracker failed."""
        with self._lock, contextlib.suppress(OSError):
            self._connection.send(message)

    def wait(self) -> tuple[Outcome | None, bool]:
        """Wait until the run has ended; return how, and whether the parent is alive."""
        try:
            return self._connection.recv(), True
        except (EOFError, OSError):
            return "interrupted", False


def run_tracker(job: TrackerJob, connection: Connection) -> None:
    """Feed the tracker until the parent tells how the run ended, or is gone."""
    for number in (signal.SIGINT, signal.SIGTERM):  # they reach the parent, too, which ends this process
        signal.signal(number, signal.SIG_IGN)
    os.environ.clear()
    os.environ.update(job.environment)
    parent, failure = Parent(connection), None
    try:
        _print_to(job.log)
        _follow(job, parent)
    except BaseException as error:  # a package may end the program, too
        print(format_traceback(error), file=sys.stderr)
        failure = describe_failure(error)
    _leave(parent, failure)


def _leave(parent: Parent, failure: str | None) -> None:
    """End at once: packages may wait in their exit handlers, without limit."""
    parent.tell(failure)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(Exit.DONE if failure is None else Exit.FAILED)


def format_traceback(error: BaseException) -> str:
    """Return the steps to what a tracker raised, without secrets; they may quote a server's address."""
    return hide_secrets("".join(traceback.format_exception(error)))


def describe_failure(error: BaseException) -> str:
    """Return what a tracker raised, as one line without secrets."""
    if isinstance(error, StorageAway):
        return str(error)
    return clean_text(f"{type(error).__name__}: {first_line(error)}")


def _follow(job: TrackerJob, parent: Parent) -> None:
    ending, ready = Ending(), threading.Event()
    threading.Thread(target=_listen, args=(parent, ending, ready), daemon=True).start()
    with open_database(url.parse(job.address)) as database, _hold_turn(job, database):
        ready.set()
        feed = Feed(build_tracker(job.name, job.folder), Source(database=database, view=StudyView(database, job.study)))
        threading.Thread(target=_report, args=(parent, feed), daemon=True).start()
        feed.follow(ending)


def _hold_turn(job: TrackerJob, database: Database) -> AbstractContextManager[object]:
    """Let one process at a time feed a tracker that catches up: two would send everything twice."""
    if job.name not in TRACKERS:
        return nullcontext()
    study = studies.get(database.engine, job.study).uuid
    return hold_turn(database.engine, study, f"tracker {job.name}", tell=lambda text: None)


def _listen(parent: Parent, ending: Ending, ready: threading.Event) -> None:
    outcome, alive = parent.wait()
    ending.set(outcome)
    if not ready.wait(TURN_SECONDS):
        _leave(parent, "another run of this study feeds it")
    if not alive:
        time.sleep(ORPHAN_SECONDS)
        _leave(parent, "the run is gone")


def _report(parent: Parent, feed: Feed) -> None:
    while True:
        time.sleep(TELL_SECONDS)
        parent.tell(feed.delivered)


def _print_to(log: Path) -> None:
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    opened = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(opened, 1)
    os.dup2(opened, 2)
