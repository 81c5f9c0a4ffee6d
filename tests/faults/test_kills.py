"""Workers killed at every boundary of an epoch and at random moments: each trial goes on to the same numbers."""

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
from tests.faults.pool import LEASE_SECONDS, Crew, Size, on_linux, pool, undisturbed
from tests.search.command import until

pytestmark = [pytest.mark.faults, on_linux]

SMALL = Size(trials=2, epochs=5, width=256, depth=3)
LARGE = Size(trials=10, epochs=10, width=512, depth=4)
RANDOM_KILLS = 50


def held(team: Crew) -> list[Any]:
    """Who holds which running trial, with which token, and how many of its epochs are stored."""
    return team.rows(
        "SELECT t.trial_id, l.token, l.worker, (SELECT count(*) FROM depthsearch.epochs e "
        "WHERE e.trial_id = t.trial_id) AS epochs FROM trials t JOIN depthsearch.leases l USING (trial_id) "
        "WHERE t.state = 'RUNNING' AND l.expires_at > now() ORDER BY t.trial_id"
    )


def kill_worker(name: str) -> None:
    """Kill the worker process that a lease names."""
    os.kill(int(name.split("/")[2].partition("-")[0]), signal.SIGKILL)


def kill_when(team: Crew, moment: Callable[[Any], bool]) -> Any:
    """Kill the worker that holds a trial of which `moment` is true, and wait for the next holder; the trial."""
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


def has_given_up(team: Crew) -> bool:
    """Whether the last command has ended."""
    return team.members[-1].process.poll() is not None


def holds(team: Crew, row: Any) -> bool:
    """Whether the trial is RUNNING in the hands of the very holder that was seen."""
    return any(now.trial_id == row.trial_id and now.token == row.token for now in unfinished(team))


def unfinished(team: Crew) -> list[Any]:
    """Every running trial with the token of whoever had it last."""
    return team.rows(
        "SELECT trial_id, token FROM trials JOIN depthsearch.leases USING (trial_id) WHERE state = 'RUNNING'"
    )


def kill_at_every_boundary(team: Crew, share: str, folder: Path) -> None:
    """Kill the worker at the first sight of every further epoch, then let the study end."""
    team.worker(machine=keeping(folder / "checkpoints", share))
    killed = [kill_when(team, lambda row, seen=seen: row.epochs >= seen) for seen in range(SMALL.epochs)]
    assert len([row for row in killed if row]) >= SMALL.epochs - 1
    team.end_well()


def test_a_kill_at_every_boundary_changes_no_number(tmp_path: Path, database_url: str, empty_database_url: str) -> None:
    reference = undisturbed(SMALL, empty_database_url, tmp_path / "calm")
    with pool(database_url, tmp_path, SMALL) as team:
        kill_at_every_boundary(team, "1", tmp_path)
        team.check(reference)
        went_on = [int(text) for note in notes(team) for text in re.findall(r"epoch (\d+)", note)]
        assert max(went_on, default=0) >= SMALL.epochs - 2, "no trial went on from a checkpoint"


@pytest.mark.long
def test_nor_does_it_where_checkpoints_are_rare(tmp_path: Path, database_url: str, empty_database_url: str) -> None:
    """What was not kept is trained again, from the last checkpoint or the beginning."""
    reference = undisturbed(SMALL, empty_database_url, tmp_path / "calm")
    with pool(database_url, tmp_path, SMALL) as team:
        kill_at_every_boundary(team, "0.02", tmp_path)
        team.check(reference)


def keep_one(team: Crew, folder: Path) -> None:
    """Have a living command: one whose workers were killed again and again, with no epoch done, gives up."""
    for member in team.members[-1:]:
        if member.process.poll() is None:
            return
        assert "died one after another with no epoch done" in member.said
        team.members.remove(member)
    team.worker(machine=keeping(folder / "checkpoints"))


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_kills_at_random_moments_change_no_number(tmp_path: Path, database_url: str, empty_database_url: str) -> None:
    reference = undisturbed(LARGE, empty_database_url, tmp_path / "calm")
    moments = random.Random(4)
    with pool(database_url, tmp_path, LARGE) as team:
        kills = 0
        while kills < RANDOM_KILLS and not team.is_done():
            keep_one(team, tmp_path)
            time.sleep(moments.uniform(0.0, 1.5))  # the moment is what is random here
            kills += kill_when(team, lambda row: True) is not None
        assert kills == RANDOM_KILLS, "the study ended before the last kill: make it larger"
        team.end_well()
        team.check(reference)
