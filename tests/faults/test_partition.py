"""A machine that the network cuts off loses its trial, comes back, and writes nothing stale."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.faults import network
from tests.faults.pool import Size, Team, on_linux, pool, undisturbed
from tests.search.command import until

pytestmark = [pytest.mark.faults, pytest.mark.long, on_linux]

SIZE = Size(trials=8, epochs=8, width=384, depth=4)
LEASE_SECONDS = 6.0
# What the trial's first holder has stored, and of each of its values when.
STORED = "SELECT epoch, metrics ->> 'accuracy', reported_at FROM depthsearch.epochs WHERE trial_id = :t AND token = :n"


def held_by(team: Team, host: str) -> list[Any]:
    """Return the trials that a host's workers hold now."""
    rows = team.rows("SELECT trial_id, worker FROM depthsearch.leases WHERE expires_at > now()")
    return [row.trial_id for row in rows if row.worker.startswith(f"{host}/")]


def test_a_machine_that_was_cut_off_writes_nothing_stale_and_works_on(tmp_path: Path, empty_database_url: str) -> None:
    reference = undisturbed(SIZE, empty_database_url, tmp_path / "calm")
    with (
        network.hosts(("north", "east", "west")) as machines,
        network.server() as address,
        pool(address, tmp_path, SIZE, LEASE_SECONDS, open_ended=True) as team,
    ):
        for machine in machines:
            team.worker(machine=machine)
        [(trial, token), *_] = team.wait_until_in_the_middle("north")
        machines[0].cut()
        began = time.monotonic()
        taken = "SELECT 1 FROM depthsearch.epochs WHERE trial_id = :t AND token > :n"
        until(lambda: team.rows(taken, t=trial, n=token), "another machine's report about its trial")
        assert time.monotonic() - began > LEASE_SECONDS / 3
        until(lambda: time.monotonic() - began > 2 * LEASE_SECONDS, "twice the length of a lease")
        before = team.rows(STORED, t=trial, n=token)
        assert held_by(team, "north") == []
        machines[0].mend()
        until(lambda: held_by(team, "north"), "a new trial of the machine that came back")
        assert team.rows(STORED, t=trial, n=token) == before != []
        team.end_well()
        team.check(reference)
        [number] = [row.number for row in team.rows("SELECT number FROM trials WHERE trial_id = :t", t=trial)]
        assert f"trial {number} is no longer" in team.members[0].said, team.members[0].said
