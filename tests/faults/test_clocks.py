"""Leases follow the database's clock: a dead machine's trials are taken over in time, whatever clocks others have."""

from __future__ import annotations

import datetime
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.faults.member import Machine, Member
from tests.faults.needs import need, need_root_and
from tests.faults.pool import Size, Team, on_linux, pool, undisturbed
from tests.search.command import until

pytestmark = [pytest.mark.faults, pytest.mark.long, on_linux]

# Long enough for a living worker on a crowded machine to renew it in time.
LEASE_SECONDS = 8.0
# A trial lasts less than a lease: the worker that takes one over ends its own first.
SIZE = Size(trials=10, epochs=8, width=256, depth=3)
FAKETIME = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
# libfaketime breaks the system call behind `time.sleep`, whatever clock it uses; `select` still works.
SLEEP = """
import select, time
time.sleep = lambda seconds: select.select([], [], [], seconds)
"""


def shifted(folder: Path, host: str, hours: int, core: int) -> Machine:
    """Return a machine whose clock is `hours` ahead."""
    site = folder / "site"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(SLEEP)
    environment = {
        "LD_PRELOAD": str(FAKETIME[0]),
        "FAKETIME": f"{hours:+d}h",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "PYTHONPATH": str(site),
    }
    return Machine(host=host, cores=(core,), environment=environment)


def kill_in_a_trial(team: Team, member: Member, host: str, count: int = 1) -> Mapping[int, int]:
    """Kill a machine in the middle of `count` trials, and return the ids and tokens of the trials that it left."""
    team.wait_until_in_the_middle(host, count)
    member.kill()
    rows = team.rows("SELECT trial_id, token, worker FROM depthsearch.leases")
    left = {row.trial_id: row.token for row in rows if row.worker.startswith(f"{host}/")}
    assert left, "its trials had just ended"
    return left


def seconds_until_taken_over(team: Team, left: Mapping[int, int]) -> float:
    """Return how long it takes until other workers hold all these trials."""
    killed = time.monotonic()

    def taken() -> bool:
        rows = team.rows("SELECT trial_id, token FROM depthsearch.leases")
        return not any(left.get(row.trial_id) == row.token for row in rows)

    until(taken, "the takeover")
    return time.monotonic() - killed


def test_a_dead_machines_trials_are_resumed_elsewhere_in_time(
    tmp_path: Path, database_url: str, empty_database_url: str
) -> None:
    need_root_and("unshare")
    reference = undisturbed(SIZE, empty_database_url, tmp_path / "calm")
    with pool(database_url, tmp_path, SIZE, LEASE_SECONDS, open_ended=True) as team:
        doomed = team.worker(2, Machine(host="doomed", cores=(0, 1)))
        team.worker(2)
        team.wait_until_finished(2)
        left = kill_in_a_trial(team, doomed, "doomed", 2)
        assert seconds_until_taken_over(team, left) < 2 * LEASE_SECONDS
        team.end_well()
        team.check(reference)
        taken = team.rows("SELECT DISTINCT trial_id FROM depthsearch.epochs WHERE token > 1")
        assert {row.trial_id for row in taken} <= set(left)


def test_clocks_an_hour_apart(tmp_path: Path, database_url: str, empty_database_url: str) -> None:
    need_root_and("unshare")
    need(reason="needs libfaketime (the package faketime)", there=bool(FAKETIME))
    reference = undisturbed(SIZE, empty_database_url, tmp_path / "calm")
    with pool(database_url, tmp_path, SIZE, LEASE_SECONDS, open_ended=True) as team:
        ahead = team.worker(machine=shifted(tmp_path, "ahead", 1, 0))
        team.worker(machine=shifted(tmp_path, "behind", -1, 1))
        team.worker(machine=Machine(cores=(0,)))
        until(lambda: hours(team) == {-1, 0, 1}, "a trial under every clock")
        assert team.rows("SELECT 1 FROM depthsearch.epochs WHERE token > 1") == []
        left = kill_in_a_trial(team, ahead, "ahead")
        assert seconds_until_taken_over(team, left) < 2 * LEASE_SECONDS
        team.end_well()
        team.check(reference)
        taken = team.rows("SELECT DISTINCT trial_id FROM depthsearch.epochs WHERE token > 1")
        assert {row.trial_id for row in taken} <= set(left)


def hours(team: Team) -> set[int]:
    """Return by how many hours the workers' clocks, which date the trials, differ from ours."""
    now = datetime.datetime.now()
    return {
        round((row.datetime_start - now) / datetime.timedelta(hours=1))
        for row in team.rows("SELECT datetime_start FROM trials WHERE datetime_start IS NOT NULL")
    }
