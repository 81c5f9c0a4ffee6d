"""The multiplication behind the capacity table, against one worked out by hand."""

from __future__ import annotations

import pytest

from tests.benchmarks.capacity import WEEK, Cost, format_table, project

EPOCH = Cost(cpu=0.001, commits=1.0, wal=1024.0, size=100.0, rows=2.0, dead=3.0)
TRIAL = Cost(cpu=0.02, commits=6.0, wal=4096.0, size=1000.0, rows=10.0, dead=4.0)


def test_a_fleet_whose_epochs_are_shorter_than_its_heartbeats() -> None:
    asked = project(EPOCH, TRIAL, workers=1000, seconds=2)  # 500 reports a second, 25 trials, no beat between
    assert asked["commits_s"] == pytest.approx(500 + 25 * 6)
    assert asked["cpu_cores"] == pytest.approx(0.5 + 0.5)
    assert asked["wal_mib_s"] == pytest.approx((500 * 1024 + 25 * 4096) / 2**20)
    assert asked["rows_week"] == pytest.approx((1000 + 250) * WEEK)
    assert asked["size_gib_week"] == pytest.approx((50_000 + 25_000) * WEEK / 2**30)
    assert asked["dead_rows_min"] == pytest.approx(60 * (1500 + 100))
    assert (asked["connections"], asked["first"], asked["share"]) == (2000, "connections, direct", 4.0)


def test_heartbeats_between_long_epochs_add_no_rows() -> None:
    asked = project(EPOCH, TRIAL, workers=10, seconds=100)  # 0.1 reports, 0.9 beats, 0.005 trials a second
    assert asked["commits_s"] == pytest.approx(0.1 + 0.9 + 0.005 * 6)
    assert asked["rows_week"] == pytest.approx((0.2 + 0.05) * WEEK)
    assert "| 10 | 100 | 0.1 |" in format_table([asked])
