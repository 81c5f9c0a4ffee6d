"""What a fleet asks of one Postgres: measured for an epoch and for a trial here, multiplied for larger fleets.

    python -m tests.benchmarks.capacity [--json FILE]

A worker trains nothing, in trials of 2 and then of 10 epochs, at a private Postgres; what the two cost (CPU of the
server, commits, write-ahead log, rows and their sizes, rows that are dead afterwards) gives the cost of an epoch and
of a trial. Heartbeats between epochs cost what an epoch's report does at most. A week of fleets of up to 10,000
workers follows by multiplication: nothing here runs that long. What breaks first is the limit that a fleet comes
closest to, or exceeds most.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import create_engine, text

from tests.benchmarks.service import sides
from tests.benchmarks.service.sides import Plan
from tests.conftest import execute, open_folder
from tests.search import system_postgres
from tests.search.system_postgres import SystemPostgres

TRIALS = 100
SHORT, LONG = 2, 10
WEEK = 7 * 24 * 3600
FLEETS = (10, 100, 1_000, 10_000)
EPOCH_SECONDS = (1, 30, 600)
TRIAL_EPOCHS = 20
HEARTBEAT_SECONDS = 10.0
"""A third of a lease's default length: how often a worker shows itself at least."""
CONNECTIONS = 2
"""Of a worker at most."""

# What one server of eight cores on an SSD takes, as its makers and users say; change them for your own.
CORES = 8
LIMITS = {
    "server's CPU": ("cpu_cores", 0.7 * CORES),
    "commits": ("commits_s", 10_000.0),
    "write-ahead log": ("wal_mib_s", 100.0),
    "connections, direct": ("connections", 500.0),
    "disk, a week (GiB)": ("size_gib_week", 500.0),
    "dead rows, a minute": ("dead_rows_min", 3_000_000.0),
}
COUNTS = text(
    "SELECT xact_commit AS commits, pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') AS wal, "
    "(SELECT sum(pg_total_relation_size(relid)) FROM pg_stat_user_tables) AS size, "
    "(SELECT sum(n_tup_ins) FROM pg_stat_user_tables) AS rows, "
    "(SELECT sum(n_tup_upd + n_tup_del) FROM pg_stat_user_tables) AS dead "
    "FROM pg_stat_database WHERE datname = current_database()"
)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What something costs the server: CPU seconds, commits, bytes of log, bytes of tables, rows, dead rows."""

    cpu: float
    commits: float
    wal: float
    size: float
    rows: float
    dead: float

    def plus(self, other: Cost, times: float) -> Cost:
        """Return this cost and `times` another one."""
        added = asdict(other)
        return Cost(**{name: value + times * added[name] for name, value in asdict(self).items()})

    def over(self, number: float) -> Cost:
        """Return the cost of one of `number` equal parts."""
        return Cost(**{name: value / number for name, value in asdict(self).items()})


def measure(server: SystemPostgres, folder: Path) -> tuple[Cost, Cost]:
    """Return the cost of an epoch and of a trial without its epochs."""
    _run(server, folder, "warm", SHORT)  # pays for what a new server does once
    short, long = (_run(server, folder, f"of_{epochs}", epochs) for epochs in (SHORT, LONG))
    epoch = long.plus(short, -1).over(LONG - SHORT)
    return epoch, short.plus(epoch, -SHORT)


def _run(server: SystemPostgres, folder: Path, name: str, epochs: int) -> Cost:
    """Return the cost of a trial, in a database of its own: no trial is stopped by what another run found."""
    execute(server.url, f"CREATE DATABASE {name}")
    address = f"{server.url.rpartition('/')[0]}/{name}"
    sides.prepare(address, folder, ours=True, finished=0, running=0)
    before = _count(server, address)
    plan = Plan(pause=0.0, trials=TRIALS, until=1e12, file=str(folder / name), epochs=epochs)
    sides.run_together(sides.run_ours, address, folder, plan)
    [(stored,)] = execute(address, "SELECT count(*) FROM depthsearch.epochs")
    assert stored == TRIALS * epochs, f"{stored} epochs are stored"
    return _count(server, address).plus(before, -1).over(TRIALS)


def _count(server: SystemPostgres, address: str) -> Cost:
    engine = create_engine(address.replace("postgresql:", "postgresql+psycopg2:"))
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT pg_stat_force_next_flush()")
        connection.commit()
        row = connection.execute(COUNTS).mappings().one()
    engine.dispose()
    master = psutil.Process(int((server.data / "postmaster.pid").read_text().split()[0]))
    times = master.cpu_times()
    cpu = times.user + times.system + times.children_user + times.children_system
    for process in master.children():
        own = process.cpu_times()
        cpu += own.user + own.system
    return Cost(cpu=cpu, **{name: float(value) for name, value in row.items()})


def project(epoch: Cost, trial: Cost, workers: int, seconds: float) -> dict[str, Any]:
    """Return what a fleet asks of the server, and the first limit that it exceeds."""
    reports = workers / seconds
    beats = max(0.0, workers / HEARTBEAT_SECONDS - reports)
    a_second = epoch.over(1 / reports).plus(trial, reports / TRIAL_EPOCHS)
    # A heartbeat changes a lease and a worker's row, and adds none.
    live = Cost(**{**asdict(epoch), "size": 0.0, "rows": 0.0})
    busy = a_second.plus(live, beats)
    asked = {
        "reports_s": reports,
        "commits_s": busy.commits,
        "cpu_cores": busy.cpu,
        "wal_mib_s": busy.wal / 2**20,
        "connections": CONNECTIONS * workers,
        "rows_week": busy.rows * WEEK,
        "size_gib_week": busy.size * WEEK / 2**30,
        "dead_rows_min": 60 * busy.dead,
    }
    worst = max(LIMITS, key=lambda name: asked[LIMITS[name][0]] / LIMITS[name][1])
    share = asked[LIMITS[worst][0]] / LIMITS[worst][1]
    return {"workers": workers, "epoch_s": seconds, **asked, "first": worst, "share": share}


def format_table(rows: list[Mapping[str, Any]]) -> str:
    """Return a table in Markdown."""
    lines = [
        "| workers | an epoch, s | reports a second | cores of the server | log, MiB/s | connections | GiB a week "
        "| first limit |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        numbers = (row["reports_s"], row["cpu_cores"], row["wal_mib_s"], row["connections"], row["size_gib_week"])
        cells = [f"{row['workers']:,}", f"{row['epoch_s']:g}", *(f"{number:,.3g}" for number in numbers)]
        lines.append(f"| {' | '.join(cells)} | {row['first']}: {row['share']:.0%} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, multiply, print the table and write the document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with open_folder() as folder:
        programs = system_postgres.installed() or system_postgres.bundled(folder)
        with system_postgres.running(programs, folder) as server:
            os.environ["PGPASSFILE"] = str(server.password_file)
            epoch, trial = measure(server, folder)
    rows = [project(epoch, trial, workers, seconds) for workers in FLEETS for seconds in EPOCH_SECONDS]
    for name, cost in (("an epoch", epoch), ("a trial without its epochs", trial)):
        print(
            f"{name}: {1000 * cost.cpu:.2f} ms of the server's CPU, {cost.commits:.2f} commits, "
            f"{cost.wal / 1024:.1f} KiB of log, {cost.rows:.1f} rows ({cost.size:.0f} bytes), {cost.dead:.1f} dead rows"
        )
    print(f"\n{platform.machine()}, {os.cpu_count()} cores\n\n{format_table(rows)}")
    if given.json:
        given.json.write_text(json.dumps({"epoch": asdict(epoch), "trial": asdict(trial), "fleets": rows}, indent=2))


if __name__ == "__main__":
    main()
