"""Following a study with trackers while it trains: what stands between a run and its trackers."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Protocol

from search.export.trackers.feed import Ending, Feed
from search.export.trackers.outcome import Outcome, classify_error
from search.export.trackers.process import TrackerJob, describe_failure, run_tracker
from search.export.trackers.registry import make_absolute
from search.export.trackers.source import Source
from search.export.trackers.tracker import Tracker
from search.signals import hurry_on_second
from search.study.status import StudyView
from search.workers.machine import fork_server
from storage import url
from storage.database import open_database

SILENT_SECONDS = 60.0
"""How long, at the end of a run, a tracker may take for one call; importing its package is part of the first."""
HURRIED_SECONDS = 8.0
"""The same after a signal: a service manager that sent it waits ten seconds, as a rule, before it kills."""
POLL_SECONDS = 0.05

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class FollowedStudy:
    """The study that trackers follow, and where."""

    name: str
    uuid: str
    address: str = field(repr=False)
    """The storage's URL."""
    home: Path
    """The folder for what must last on this machine."""

    @property
    def folder(self) -> Path:
        """Where trackers keep what they must know at the next run, and what they print."""
        return self.home / "trackers"


class Follower(Protocol):
    """One tracker that follows a study."""

    name: str
    log: Path | None
    """The file of what it prints."""
    ended: bool

    @property
    def delivered(self) -> int:
        """How many calls the tracker has answered."""

    def end(self, outcome: Outcome | None) -> None:
        """Tell the tracker how the run ended."""

    def kill(self) -> None:
        """Leave the tracker alone, whatever it does."""


@contextmanager
def follow(study: FollowedStudy, trackers: Sequence[str | Tracker]) -> Iterator[None]:
    """Let trackers follow a study that is trained in the block: named ones in processes, others in threads.

    At the end of the block each may take its time as long as it answers calls; a second signal ends the wait.
    """
    followers = [_start(study, tracker) for tracker in trackers]
    try:
        yield
    except BaseException as error:
        _end_all(followers, classify_error(error))
        raise
    _end_all(followers, None)


def _start(study: FollowedStudy, tracker: str | Tracker) -> Follower:
    if isinstance(tracker, str):
        return ProcessFollower(study, tracker)
    return ThreadFollower(study, tracker)


def _end_all(followers: Sequence[Follower], outcome: Outcome | None) -> None:
    with ExitStack() as hurries:
        try:
            for follower in followers:
                hurries.enter_context(hurry_on_second(follower.kill))
                follower.end(outcome)
            for follower in followers:
                _wait(follower, HURRIED_SECONDS if outcome == "interrupted" else SILENT_SECONDS)
        except BaseException:  # a first signal
            for follower in followers:
                follower.kill()
            raise


def _wait(follower: Follower, limit: float) -> None:
    """Wait until a tracker has everything, or has answered no call for `limit` seconds."""
    seen, since = follower.delivered, time.monotonic()
    while not follower.ended:
        if follower.delivered != seen:
            seen, since = follower.delivered, time.monotonic()
        if time.monotonic() - since > limit:
            follower.kill()
            _warn(follower.name, f"it did not answer for {limit:.0f} s", follower.log)
            return
        time.sleep(POLL_SECONDS)


def _warn(name: str, reason: str, log: Path | None) -> None:
    shown = "" if log is None else f" ({log} has what it printed)"
    _log.warning("tracker %s was left out: %s%s; training is not affected", name, reason, shown)


class ProcessFollower:
    """A tracker in a process of its own."""

    def __init__(self, study: FollowedStudy, name: str) -> None:
        self.name, self.ended, self._delivered = name, False, 0
        self._job = TrackerJob(
            name=make_absolute(name),
            address=study.address,
            study=study.name,
            folder=study.folder,
            log=study.folder / f"{_file_name(name)}-{study.uuid}.log",
            environment=dict(os.environ),
        )
        self.log: Path | None = self._job.log
        self._process, self._connection = _start_process(fork_server.start_fork_server(), self._job)
        threading.Thread(target=self._listen, name=f"tracker {name}", daemon=True).start()

    @property
    def delivered(self) -> int:
        """How many calls the tracker has answered, half a second ago."""
        return self._delivered

    def end(self, outcome: Outcome | None) -> None:
        """Tell the process how the run ended."""
        with contextlib.suppress(OSError):  # it has died
            self._connection.send(outcome)

    def kill(self) -> None:
        """Kill the process."""
        self.ended = True
        self._process.kill()

    def _listen(self) -> None:
        failure: str | None = "its process died"
        try:
            while isinstance(message := self._connection.recv(), int):
                self._delivered = message
            failure = message
        except (EOFError, OSError):
            pass
        if failure is not None and not self.ended:
            _warn(self.name, failure, self.log)
        self.ended = True


def _start_process(context: ForkServerContext, job: TrackerJob) -> tuple[BaseProcess, Connection]:
    ours, theirs = context.Pipe()
    process = context.Process(target=run_tracker, args=(job, theirs), name=f"tracker {job.name}")
    fork_server.start_process(process)
    theirs.close()
    return process, ours


def _file_name(name: str) -> str:
    return "".join(char if char.isalnum() else "_" for char in name)[-60:]


class ThreadFollower:
    """A tracker that a Python program has made, in a thread."""

    def __init__(self, study: FollowedStudy, tracker: Tracker) -> None:
        self.name, self.ended = type(tracker).__name__, False
        self.log: Path | None = None
        self._ending = Ending()
        self._feed: Feed | None = None
        threading.Thread(target=self._follow, args=(study, tracker), name=f"tracker {self.name}", daemon=True).start()

    @property
    def delivered(self) -> int:
        """How many calls the tracker has answered."""
        return 0 if self._feed is None else self._feed.delivered

    def end(self, outcome: Outcome | None) -> None:
        """Tell the thread how the run ended."""
        self._ending.set(outcome)

    def kill(self) -> None:
        """Leave the thread alone, which ends with the program at the latest."""
        self.ended = True

    def _follow(self, study: FollowedStudy, tracker: Tracker) -> None:
        try:
            with open_database(url.parse(study.address)) as database:
                self._feed = Feed(tracker, Source(database=database, view=StudyView(database, study.name)))
                self._feed.follow(self._ending)
        except Exception as error:
            if not self.ended:
                _warn(self.name, describe_failure(error), None)
        self.ended = True
