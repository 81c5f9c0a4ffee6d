"""Workers that die, join and leave all the time: the budget is spent exactly, and nothing is done twice."""

from __future__ import annotations

import random
import signal
import time
from itertools import pairwise
from pathlib import Path

import pytest

from tests.faults.member import Machine, Member
from tests.faults.pool import Size, Team, on_linux, pool

pytestmark = [pytest.mark.faults, on_linux, pytest.mark.long]

SIZE = Size(trials=20, epochs=8, width=512, depth=4, pruner="halving")
WORKERS = 4
KILLS = 9
KILL_SECONDS = 5.0


def join(team: Team, index: int) -> Member:
    """Add a machine; every second one has its own host name, so that nobody here can tell when it is dead."""
    return team.worker(machine=Machine(host=f"machine-{index}" if index % 2 else None, cores=(index,)))


def leave(team: Team, member: Member) -> None:
    """End a machine that is needed elsewhere: cleanly, and soon, although others keep the cores busy."""
    asked = time.monotonic()
    member.process.send_signal(signal.SIGTERM)
    assert member.process.wait(30) in (0, 143), member.said
    assert time.monotonic() - asked < 20
    assert "Traceback" not in member.said
    team.members.remove(member)


@pytest.mark.timeout(1800)
def test_the_budget_is_exact_whatever_happens_to_workers(tmp_path: Path, database_url: str) -> None:
    chance = random.Random(1)
    with pool(database_url, tmp_path, SIZE, open_ended=True) as team:
        living = [join(team, index) for index in range(WORKERS)]
        for kills in range(1, KILLS + 1):
            time.sleep(KILL_SECONDS)
            victim = living.pop(chance.randrange(len(living)))
            victim.kill()
            living.append(join(team, kills))
            if kills % 3 == 0:
                leave(team, living.pop(0))
                living.append(join(team, kills + 1))
        team.end_well()
        team.check({})
        check_holders(team)


def check_holders(team: Team) -> None:
    """Check that the tokens along each curve only grow: nobody wrote an epoch after losing the trial."""
    rows = team.rows("SELECT trial_id, token FROM depthsearch.epochs ORDER BY trial_id, epoch")
    for before, after in pairwise(rows):
        assert before.trial_id != after.trial_id or before.token <= after.token
    assert max(row.token for row in rows) > 1, "no trial was ever taken over"
