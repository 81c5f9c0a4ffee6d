"""Workers killed at every boundary of an epoch and at random moments: each trial ends with the same numbers."""

from __future__ import annotations

import os
import random
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from storage.leasing.workers import is_dead
from tests.faults.kept import keeping, notes
from tests.faults.pool import LEASE_SECONDS, Size, Team, on_linux, pool, undisturbed
from tests.search.command import until

pytestmark = [pytest.mark.faults, on_linux]

SMALL = Size(trials=2, epochs=5, width=256, depth=3)
LARGE = Size(trials=4, epochs=10, width=512, depth=4)
RANDOM_KILLS = 50


def held(team: Team) -> list[Any]:
    """Return who holds which running trial, with which token, and how many of its epochs are stored."""
    return team.rows(
        "SELECT t.trial_id, l.token, l.worker, (SELECT count(*) FROM depthsearch.epochs e "
        "WHERE e.trial_id = t.trial_id) AS epochs FROM trials t JOIN depthsearch.leases l USING (trial_id) "
        "WHERE t.state = 'RUNNING' AND l.expires_at > now() ORDER BY t.trial_id"
    )


def kill_worker(name: str) -> None:
    """Kill the worker process that a lease names."""
    os.kill(int(name.split("/")[2].partition("-")[0]), signal.SIGKILL)


def kill_when(team: Team, moment: Callable[[Any], bool]) -> Any:
    """Kill the worker of a trial of which `moment` is true, wait for the next holder, and return the trial."""
    found: list[Any] = []

    def look() -> bool:
        found[:] = [row for row in held(team) if moment(row) and not is_dead(row.worker)]
        return bool(found) or team.is_done()

    until(look, "the moment to kill")
    if not found:
        return None
    kill_worker(found[0].worker)
    killed = time.monotonic()
    until(lambda: not holds(team, found[0]) or team.is_done() or has_given_up(team), "the next holder")
    assert time.monotonic() - killed < 2 * LEASE_SECONDS
    return found[0]


def has_given_up(team: Team) -> bool:
    """Return whether the last command has ended."""
    return team.members[-1].process.poll() is not None


def holds(team: Team, row: Any) -> bool:
    """Return whether the trial is RUNNING and held by the same holder as before."""
    return any(now.trial_id == row.trial_id and now.token == row.token for now in unfinished(team))


def unfinished(team: Team) -> list[Any]:
    """Return every running trial with the token of its last holder."""
    return team.rows(
        "SELECT trial_id, token FROM trials JOIN depthsearch.leases USING (trial_id) WHERE state = 'RUNNING'"
    )


def kill_at_every_boundary(team: Team, share: str, folder: Path) -> None:
    """Kill the worker as soon as each epoch is stored, then let the study end."""
    team.worker(machine=keeping(folder / "checkpoints", share))
    killed = [kill_when(team, lambda row, seen=seen: row.epochs >= seen) for seen in range(SMALL.epochs)]
    assert len([row for row in killed if row]) >= SMALL.epochs - 1
    team.end_well()


@pytest.mark.long
def test_a_kill_at_every_boundary_changes_no_number(tmp_path: Path, database_url: str, empty_database_url: str) -> None:
    reference = undisturbed(SMALL, empty_database_url, tmp_path / "calm")
    with pool(database_url, tmp_path, SMALL) as team:
        kill_at_every_boundary(team, "1", tmp_path)
        team.check(reference)
        resumed = [int(text) for note in notes(team) for text in re.findall(r"epoch (\d+)", note)]
        assert max(resumed, default=0) > 0, "no trial resumed from a checkpoint"


@pytest.mark.long
def test_nor_does_it_if_checkpoints_are_rare(tmp_path: Path, database_url: str, empty_database_url: str) -> None:
    """Epochs that were not kept are trained again, from the last checkpoint or the beginning."""
    reference = undisturbed(SMALL, empty_database_url, tmp_path / "calm")
    with pool(database_url, tmp_path, SMALL) as team:
        kill_at_every_boundary(team, "0.02", tmp_path)
        team.check(reference)


def keep_one(team: Team, folder: Path) -> None:
    """Have a living command: one whose workers keep being killed without finishing an epoch gives up."""
    for member in team.members[-1:]:
        if member.process.poll() is None:
            return
        assert "died one after another without finishing an epoch" in member.said
        team.members.remove(member)
    team.worker(machine=keeping(folder / "checkpoints"))


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_kills_at_random_moments_change_no_number(tmp_path: Path, database_url: str, empty_database_url: str) -> None:
    moments = random.Random(4)
    with pool(database_url, tmp_path, LARGE, open_ended=True) as team:
        kills = 0
        while kills < RANDOM_KILLS:
            keep_one(team, tmp_path)
            time.sleep(moments.uniform(0.0, 1.5))  # the moment is what is random here
            kills += kill_when(team, lambda row: True) is not None
        team.end_well()
        team.check(undisturbed(team.size, empty_database_url, tmp_path / "calm"))
