"""Real worker commands on one small study, each as on its own machine, and what must hold when they end."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from search.settings import load
from search.study.create import create_or_continue
from search.study.plan import StudyRequest
from storage import url
from storage.database import open_database
from tests.faults import curves
from tests.faults.curves import Curve
from tests.faults.member import Machine, Member
from tests.search.command import until

STUDY = "digits-depth"
LEASE_SECONDS = 3.0
# More trials than any machine can train while a test disturbs them.
OPEN_ENDED = 1_000_000
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="cores and host names are assigned on Linux only")


@dataclass(frozen=True, kw_only=True)
class Size:
    """A study's size: finished trials, epochs of each, and the network's width and depth."""

    trials: int
    epochs: int
    width: int
    depth: int
    pruner: str = "none"


class Team:
    """A study and the commands that work on it; those left at the end of the test are killed.

    An open-ended one does not end before `settle`, however fast the machine is; it has at least `size.trials` trials.
    """

    def __init__(self, address: str, folder: Path, size: Size, lease_seconds: float, open_ended: bool) -> None:
        self.address = address
        self.size = size
        self.lease_seconds = lease_seconds
        self.open_ended = open_ended
        self.members: list[Member] = []
        self._folder = folder
        # No pool: the tests cut connections, and these must not be kept.
        self._engine = create_engine(url.parse(address), poolclass=NullPool)
        self._create()

    def worker(self, count: int = 1, machine: Machine | None = None) -> Member:
        """Start `search worker` with `count` workers, by default on a machine with a core for each of them."""
        machine = machine or Machine(cores=tuple(range(count)))
        log = self._folder / f"command-{len(self.members)}.log"
        arguments = ["worker", "--study", STUDY, "--workers", str(count), "--device", "cpu"]
        environment = {
            **os.environ,
            "SEARCH_STORAGE": self.address,
            "SEARCH_LEASE_SECONDS": str(self.lease_seconds),
            **machine.environment,
        }
        with log.open("wb") as output:
            process = machine.start(arguments, environment, output)
        self.members.append(Member(process, log))
        return self.members[-1]

    def rows(self, statement: str, **values: object) -> list[Any]:
        """Return the rows of a statement."""
        with self._engine.begin() as connection:
            return list(connection.execute(text(statement), values).all())

    def finished(self) -> int:
        """Return the number of trials that have spent a slot."""
        counted = "SELECT count(*) FROM trials WHERE state IN ('COMPLETE', 'PRUNED')"
        return int(self.rows(counted)[0][0])

    def is_done(self) -> bool:
        """Return whether the budget is spent."""
        return not self.open_ended and self.finished() >= self.size.trials

    def epochs(self) -> int:
        """Return the number of epochs that are stored."""
        return int(self.rows("SELECT count(*) FROM depthsearch.epochs")[0][0])

    def in_the_middle(self, host: str | None = None) -> list[tuple[int, int]]:
        """Return the trials (id, token) between their first and last epoch held by workers of a host; None for any."""
        rows = self.rows(
            "SELECT l.trial_id, l.token, l.worker FROM depthsearch.leases l JOIN trials t USING (trial_id) "
            "WHERE t.state = 'RUNNING' AND (SELECT count(*) FROM depthsearch.epochs e "
            "WHERE e.trial_id = l.trial_id) BETWEEN 1 AND :last",
            last=self.size.epochs - 2,
        )
        return [(row.trial_id, row.token) for row in rows if host in (None, row.worker.split("/")[0])]

    def wait_until_finished(self, count: int) -> None:
        """Wait for `count` finished trials while every command runs."""
        until(lambda: self.all_run() and self.finished() >= count, f"{count} finished trials")

    def wait_until_in_the_middle(self, host: str | None = None, count: int = 1) -> list[tuple[int, int]]:
        """Wait until workers of a host are in the middle of `count` trials, and return these."""
        found: list[tuple[int, int]] = []

        def look() -> bool:
            found[:] = self.in_the_middle(host)
            return self.all_run() and len(found) >= count

        until(look, f"{count} trials in the middle")
        return found

    def settle(self) -> None:
        """Let an open-ended study end with the trials that have begun."""
        self.open_ended = False
        with self._engine.begin() as connection:
            connection.execute(text("SELECT 1 FROM studies FOR UPDATE"))  # no trial begins meanwhile
            begun = connection.execute(text("SELECT count(*) FROM trials")).scalar_one()
            self.size = replace(self.size, trials=max(begun, self.size.trials))
            connection.execute(text("UPDATE depthsearch.studies SET trials = :trials"), {"trials": self.size.trials})

    def end_well(self) -> None:
        """Wait until every command that was not killed ends with code 0, after settling an open-ended study."""
        if self.open_ended:
            self.settle()
        for member in self.members:
            if member.process.returncode != -signal.SIGKILL:
                member.end_well()

    def check(self, reference: Mapping[int, Curve]) -> dict[int, Curve]:
        """Check that the budget is spent exactly and nothing is lost or stored twice; return the curves."""
        trials = curves.trials(self.address, STUDY)
        assert [trial.number for trial in trials] == list(range(self.size.trials))
        assert {trial.state for trial in trials} <= {TrialState.COMPLETE, TrialState.PRUNED}
        assert self.rows("SELECT * FROM depthsearch.leases") == []
        found = {trial.number: self._curve(trial) for trial in trials}
        for number in found.keys() & reference.keys():
            found[number].check_same(reference[number])
        return found

    def close(self) -> None:
        """Kill the commands that still run."""
        for member in self.members:
            if member.process.poll() is None:
                member.signal(signal.SIGCONT)
                member.kill()
        self._engine.dispose()

    def _create(self) -> None:
        size = self.size
        request = StudyRequest(
            study=STUDY,
            trials=OPEN_ENDED if self.open_ended else size.trials,
            epochs=size.epochs,
            sampler="random",
            pruner=size.pruner,
            overrides=(f"width={size.width}", f"depth={size.depth}"),
        )
        settings = load(storage=self.address)
        with open_database(url.parse(self.address)) as database:
            create_or_continue(database, request, settings)

    def all_run(self) -> bool:
        """Fail if a command has ended that nobody killed."""
        for member in self.members:
            assert member.process.poll() in (None, -signal.SIGKILL), member.said
        return True

    def _curve(self, trial: FrozenTrial) -> Curve:
        rows = self.rows(
            "SELECT epoch, metrics FROM depthsearch.epochs WHERE trial_id = :trial ORDER BY epoch",
            trial=trial._trial_id,
        )
        matrix = self.rows(
            "SELECT epoch, counts FROM depthsearch.confusions WHERE trial_id = :trial", trial=trial._trial_id
        )
        return curves.stored(trial, rows, matrix[0] if matrix else None, self.size.epochs)


@contextmanager
def pool(
    address: str, folder: Path, size: Size, lease_seconds: float = LEASE_SECONDS, *, open_ended: bool = False
) -> Iterator[Team]:
    """Yield a study for the length of a block."""
    made = Team(address, folder, size, lease_seconds, open_ended)
    try:
        yield made
    finally:
        made.close()


_UNDISTURBED: dict[Size, dict[int, Curve]] = {}


def undisturbed(size: Size, address: str, folder: Path) -> dict[int, Curve]:
    """Return the curves of a study that nothing disturbs, trained once per process, in an empty database."""
    if size not in _UNDISTURBED:
        folder.mkdir()
        with pool(address, folder, size, lease_seconds=30.0) as calm:
            calm.worker(2)
            calm.end_well()
            _UNDISTURBED[size] = calm.check({})
    return _UNDISTURBED[size]
