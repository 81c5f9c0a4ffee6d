"""What the service costs apart from training, next to stock Optuna in the same run.

    python -m tests.benchmarks.service [--quick] [--json FILE] [PART ...]

Parts: `calls` (the wait for an epoch's report and decision, the gap between two trials, CPU, commits; by finished and
running trials), `share` (of a trial of ten epochs), `crowd` (eight processes that train nothing), `join` (reading a
study of 10,000 trials), `status` (of such a study, and of 400 studies), `page` (of the dashboard, of such a study, in
Chromium), `start` (of the command line), `fleet` (of 1,000 leases, six minutes). A private
Postgres in this machine's memory, where a commit waits for no disk; processes of the two sides take turns; medians,
and in the document the spread of the repeats.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import optuna
from sqlalchemy import create_engine, text

from tests.benchmarks.service import page, sides
from tests.benchmarks.service.fleet import run_fleet
from tests.benchmarks.service.sides import Plan, Side
from tests.conftest import open_folder
from tests.search import system_postgres

SIDES: dict[str, Side] = {"ours": sides.run_ours, "stock": sides.run_stock}
PARTS = ("calls", "share", "crowd", "join", "status", "page", "start", "fleet")
PROGRAM = [sys.executable, "-P", "-m", "search"]
NEVER = 1e12
FIRST = text(
    "SELECT extract(epoch FROM min(reported_at)) FROM depthsearch.epochs JOIN trials USING (trial_id) "
    "JOIN studies USING (study_id) WHERE study_name = :name"
)
Row = dict[str, Any]


class Bench:
    """A server with a database for each side and history, made when it is first asked for."""

    def __init__(self, address: str, folder: Path) -> None:
        self._server = address
        self.folder = folder
        self.environment = {**os.environ, "SEARCH_HOME": str(folder), "SEARCH_CACHE": str(folder / "cache")}
        self._made: set[str] = set()

    def find(self, side: str, finished: int, running: int) -> str:
        """Return the address of a database with a study of that size."""
        made = partial(sides.prepare, ours=side == "ours", finished=finished, running=running)
        return self._make(f"{side}_{finished}_{running}", made)

    def find_list(self, count: int, finished: int) -> str:
        """Return the address of a database with that many studies of that size."""
        return self._make(f"list_{count}_{finished}", partial(sides.prepare_list, count=count, finished=finished))

    def _make(self, name: str, prepare: Side) -> str:
        address = self._server.rpartition("/")[0] + "/" + name
        if name not in self._made:
            self._made.add(name)
            self._tell(f"CREATE DATABASE {name}")
            prepare(address, self.folder)
        return address

    def count_commits(self, address: str) -> int:
        """Return how many transactions the database has committed."""
        time.sleep(0.3)  # the server publishes the counts of a session at its end
        query = text("SELECT xact_commit FROM pg_stat_database WHERE datname = :name")
        engine = create_engine(self._server.replace("postgresql:", "postgresql+psycopg2:"))
        with engine.connect() as connection:
            return int(connection.scalar(query, {"name": address.rpartition("/")[2]}) or 0)

    def _tell(self, statement: str) -> None:
        engine = create_engine(
            self._server.replace("postgresql:", "postgresql+psycopg2:"), isolation_level="AUTOCOMMIT"
        )
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)
        engine.dispose()

    def run(self, side: str, finished: int, running: int, *, count: int = 1, **plan: Any) -> Sequence[list[Any]]:
        """Run processes of a side on a study of that size, and return what they note."""
        file = str(self.folder / f"notes-{time.time_ns()}")
        address = self.find(side, finished, running)
        return sides.run_together(
            SIDES[side], address, self.folder, Plan(**{"file": file, "until": NEVER, **plan}), count
        )


def measure_calls(bench: Bench, quick: bool) -> Iterator[Row]:
    """Yield a row for each side and size: milliseconds of a report, of the gap between trials, and their CPU."""
    sizes = [(0, 0), (1000, 0), (1000, 64)] if quick else [(n, w) for n in (0, 1000, 10000) for w in (0, 64, 256, 1000)]
    for finished, running in sizes:
        trials = 2 if quick or running >= 256 else 6
        for side in SIDES:
            address = bench.find(side, finished, running)
            before = bench.count_commits(address)
            [rows] = bench.run(side, finished, running, pause=0.02, trials=trials)
            commits = (bench.count_commits(address) - before) / trials
            yield {"side": side, "finished": finished, "running": running, "commits a trial": commits, **_times(rows)}


def _times(rows: Sequence[Any]) -> Row:
    pairs = list(itertools.pairwise(rows))
    reports = [b[1] - a[1] for a, b in pairs if (a[0], b[0]) == ("epoch", "reported")]
    gaps = [(b[1] - a[1], b[2] - a[2]) for a, b in pairs if (a[0], b[0]) == ("end", "begin")]
    begins = [index for index, row in enumerate(rows) if row[0] == "begin"]
    epochs = [(rows[i + 2 * k + 1][2] - rows[i + 1][2]) / k for i in begins for k in (9,) if i + 2 * k + 1 < len(rows)]
    return {
        "report ms": 1000 * statistics.median(reports),
        "epoch CPU ms": 1000 * statistics.median(epochs),
        "gap ms": 1000 * statistics.median(gap for gap, _ in gaps),
        "gap CPU ms": 1000 * statistics.median(cpu for _, cpu in gaps),
    }


def measure_share(bench: Bench, quick: bool) -> Iterator[Row]:
    """Yield the share of a trial's time that is not training, for epochs of two lengths."""
    for finished in (0,) if quick else (0, 1000):
        for pause in (0.3,) if quick else (0.3, 1.0):
            for side in SIDES:
                [rows] = bench.run(side, finished, 0, pause=pause, trials=3)
                begins = [row[1] for row in rows if row[0] == "begin"]
                trained = pause * sum(row[0] == "epoch" for row in rows)
                share = 1 - trained / (begins[-1] - begins[0])
                yield {"side": side, "finished": finished, "epoch s": str(pause), "share %": 100 * share}


def measure_crowd(bench: Bench, quick: bool) -> Iterator[Row]:
    """Yield how many epochs a second eight processes report that train nothing."""
    seconds = 6.0 if quick else 15.0
    for finished in (0,) if quick else (0, 1000):
        for _ in range(1 if quick else 3):
            for side in SIDES:
                until = time.time() + 4 + seconds
                noted = bench.run(side, finished, 0, pause=0, trials=10**6, until=until, count=8)
                began = max(rows[0][1] for rows in noted)
                epochs = sum(row[0] == "reported" and row[1] >= began for rows in noted for row in rows)
                yield {"side": side, "finished": finished, "epochs a second": epochs / (until - began)}


def measure_join(bench: Bench, quick: bool) -> Iterator[Row]:
    """Yield the seconds and the memory of a first look at a study."""
    size = (1000, 0) if quick else (10000, 256)
    calls = {"ours": sides.join_ours, "stock": sides.join_stock}
    for _ in range(1 if quick else 3):
        for name, call in calls.items():
            address = bench.find("stock" if name == "stock" else "ours", *size)
            seconds, memory = sides.measure_call(call, address, bench.folder)
            yield {"side": name, "finished": size[0], "running": size[1], "join s": seconds, "MiB": memory}


def measure_status(bench: Bench, quick: bool) -> Iterator[Row]:
    """Yield the seconds of reading a study's status, and of the commands that show one, or that of many studies."""
    size, count = ((1000, 0), 40) if quick else ((10000, 256), 400)
    one, many = bench.find("ours", *size), bench.find_list(count, 25)
    commands = {
        f"status --json, {size[0]} + {size[1]} trials": ["status", "--study", sides.STUDY, "--json", "--storage", one],
        f"list, {count} studies": ["list", "--storage", many],
    }
    for _ in range(1 if quick else 5):
        yield {"what": "reading it in a process", "s": sides.measure_call(sides.read_status, one, bench.folder)[0]}
        for what, words in commands.items():
            began = time.perf_counter()
            subprocess.run([*PROGRAM, *words], check=True, stdout=subprocess.DEVNULL, env=bench.environment)
            yield {"what": what, "s": time.perf_counter() - began}


def measure_page(bench: Bench, quick: bool) -> Iterator[Row]:
    """Yield what a browser sees of a large study's page: first from a server just started, then from the same one."""
    finished = 1000 if quick else 10000
    address = bench.find("ours", finished, 0)
    for _ in range(1 if quick else 3):
        with page.serve(address, bench.environment) as opening, page.browse(opening) as browser:
            for visit in ("first", "second"):
                found = page.measure_visit(browser, f"{opening.partition('?')[0]}dashboard/studies/1")
                yield {"visit": visit, "finished": finished, **found}


def measure_start(bench: Bench, quick: bool) -> Iterator[Row]:
    """Yield the seconds from a command to its answer, and to the first stored epoch of a new study of digits."""
    program, environment = PROGRAM, bench.environment
    for number in range(1 if quick else 3):
        began = time.perf_counter()
        subprocess.run([*program, "--help"], check=True, stdout=subprocess.DEVNULL, env=environment)
        yield {"side": "ours", "command": "--help", "s": time.perf_counter() - began}
        address = bench.find("ours", 0, 0)
        name, began = f"first-{number}", time.time()
        flags = f"--study {name} --objective digits-depth --trials 1 --epochs 1 --workers 1 --json --storage {address}"
        subprocess.run([*program, "run", *flags.split()], check=True, capture_output=True, env=environment)
        engine = create_engine(address.replace("postgresql:", "postgresql+psycopg2:"))
        with engine.connect() as connection:
            yield {"side": "ours", "command": "run", "s": float(connection.scalar(FIRST, {"name": name})) - began}
        engine.dispose()


def measure_fleet(bench: Bench, quick: bool) -> Iterator[Row]:
    """Yield what reports took of leases that are renewed once a minute, and how many of these are left at the end."""
    yield from run_fleet(bench.find("ours", 0, 0), *((80, 1) if quick else (1000, 5)))


def condense(rows: Sequence[Row]) -> list[Row]:
    """Return one row for all repeats: medians, and the lowest and highest value of each."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(value for value in row.values() if not isinstance(value, float)), []).append(row)
    found = []
    for group in groups.values():
        measured = {name: [row[name] for row in group] for name, value in group[0].items() if isinstance(value, float)}
        medians = {name: statistics.median(values) for name, values in measured.items()}
        spread = {name: [min(values), max(values)] for name, values in measured.items()}
        found.append({**group[0], **medians, "spread": spread})
    return found


def format_table(rows: Sequence[Row]) -> str:
    """Return a table in Markdown."""
    names = [name for name in rows[0] if name != "spread"]
    cells = [[f"{row[name]:.4g}" if isinstance(row[name], float) else str(row[name]) for name in names] for row in rows]
    return "\n".join([f"| {' | '.join(names)} |", "|---" * len(names) + "|", *(f"| {' | '.join(c)} |" for c in cells)])


@contextmanager
def open_bench() -> Iterator[Bench]:
    """Yield a bench in a folder of its own, which disappears with it."""
    with open_folder() as folder:
        programs = system_postgres.installed() or system_postgres.bundled(folder)
        with system_postgres.running(programs, folder, "-c fsync=on -c max_connections=300") as server:
            os.environ["PGPASSFILE"] = str(server.password_file)
            yield Bench(server.url, folder)


def main() -> None:
    """Measure, print a table for each part, and write the document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help=f"any of {', '.join(PARTS)}; all by default")
    parser.add_argument("--quick", action="store_true", help="fewer sizes and repeats, a few minutes")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    document: dict[str, Any] = {
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "versions": {"python": platform.python_version(), "optuna": optuna.__version__},
    }
    with open_bench() as bench:
        for part in given.parts or PARTS:
            document[part] = condense(list(globals()[f"measure_{part}"](bench, given.quick)))
            print(f"\n{part}\n\n{format_table(document[part])}", flush=True)
    if given.json:
        given.json.write_text(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
