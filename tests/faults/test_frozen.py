"""A worker that sleeps through its lease finds its trial taken when it wakes up, and leaves it alone."""

from __future__ import annotations

import signal
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from storage import url
from storage.connecting.libpq import connect_args
from tests.faults.member import Machine, Member
from tests.faults.pool import LEASE_SECONDS, Size, Team, on_linux, pool, undisturbed
from tests.search.command import until

pytestmark = [pytest.mark.faults, on_linux]

SIZE = Size(trials=6, epochs=6, width=384, depth=4)


def freeze_in_a_trial(team: Team, member: Member) -> int:
    """Freeze the only command in the middle of a trial, outside any transaction, and return the trial's id."""
    until(lambda: freeze_outside_transactions(team, member), "a freeze in the middle of a trial")
    [lease] = team.rows("SELECT trial_id, token FROM depthsearch.leases")
    assert lease.token == 1
    return int(lease.trial_id)


def freeze_outside_transactions(team: Team, member: Member) -> bool:
    """Freeze the only command; wake it if it is not in the middle of a trial, or talks to the server."""
    member.signal(signal.SIGSTOP)
    talks = team.rows(
        "SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'depthsearch %' "
        "AND datname = current_database() AND state <> 'idle'"
    )
    if talks or not team.in_the_middle():
        member.signal(signal.SIGCONT)
        return False
    return True


def written(team: Team, trial_id: int) -> list[Any]:
    """Return what the first holder of a trial has stored."""
    return team.rows(
        "SELECT epoch, metrics ->> 'accuracy', reported_at FROM depthsearch.epochs "
        "WHERE trial_id = :t AND token = 1 ORDER BY 1",
        t=trial_id,
    )


def taken_over(team: Team, trial_id: int) -> bool:
    """Return whether another worker has reported about the trial."""
    return bool(team.rows("SELECT 1 FROM depthsearch.epochs WHERE trial_id = :t AND token = 2", t=trial_id))


def freeze_and_wake(team: Team) -> None:
    """Freeze one of two machines for longer than twice its lease, until the other has resumed its trial."""
    sleeper = team.worker(machine=Machine(cores=(0,)))
    trial_id = freeze_in_a_trial(team, sleeper)
    frozen = time.monotonic()
    team.worker(machine=Machine(cores=(1,)))
    until(lambda: taken_over(team, trial_id), "the other worker's report")
    time.sleep(max(0.0, 2 * LEASE_SECONDS - (time.monotonic() - frozen)))
    before = written(team, trial_id)
    assert before
    sleeper.signal(signal.SIGCONT)
    team.end_well()
    assert written(team, trial_id) == before
    [number] = [row.number for row in team.rows("SELECT number FROM trials WHERE trial_id = :t", t=trial_id)]
    told = [line for line in sleeper.said.splitlines() if f"trial {number} is no longer" in line]
    assert len(told) == 1, sleeper.said


@pytest.mark.long
def test_a_frozen_worker_leaves_its_trial_alone(tmp_path: Path, database_url: str) -> None:
    with pool(database_url, tmp_path, replace(SIZE, trials=3)) as team:
        freeze_and_wake(team)
        team.check({})


@pytest.mark.long
def test_the_trial_of_a_frozen_worker_has_the_same_numbers(
    tmp_path: Path, database_url: str, empty_database_url: str
) -> None:
    reference = undisturbed(SIZE, empty_database_url, tmp_path / "calm")
    with pool(database_url, tmp_path, SIZE) as team:
        freeze_and_wake(team)
        team.check(reference)


@pytest.mark.long
def test_a_worker_frozen_inside_a_transaction_blocks_nobody(tmp_path: Path, database_url: str) -> None:
    with pool(database_url, tmp_path, Size(trials=3, epochs=20, width=16, depth=1)) as team:
        sleeper = team.worker(machine=Machine(cores=(0,)))
        team.wait_until_in_the_middle()
        freeze_while_it_writes(team, database_url, sleeper)
        team.worker(machine=Machine(cores=(1,)))
        until(lambda: team.finished() == team.size.trials, "the other worker's end", 90)
        sleeper.signal(signal.SIGCONT)
        team.end_well()
        team.check({})


def freeze_while_it_writes(team: Team, address: str, member: Member) -> None:
    """Freeze the only command in the middle of a transaction: once it has written, and before its next statement."""
    ours = (
        "SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'depthsearch %' "
        "AND datname = current_database() AND "
    )
    with closing(psycopg2.connect(**connect_args(url.parse(address)))) as connection, connection.cursor() as cursor:
        cursor.execute("LOCK TABLE depthsearch.checkpoints IN SHARE MODE")
        until(lambda: team.rows(f"{ours} wait_event_type = 'Lock'"), "a write that waits")
        member.signal(signal.SIGSTOP)
    until(
        lambda: team.rows(f"{ours} state = 'idle in transaction' AND backend_xid IS NOT NULL"),
        "a transaction that nobody ends",
    )
