"""The storage becomes unreachable: Postgres is stopped, killed, cut off or out of disk, and no trial notices."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from storage.embedded.server import EmbeddedServer
from tests.conftest import as_superuser, open_folder, small_disk
from tests.faults.needs import need_root_and
from tests.faults.pool import Size, Team, on_linux, pool, undisturbed
from tests.search.command import until
from tests.storage.processes import kill, kill_server

pytestmark = [pytest.mark.faults, on_linux]

SIZE = Size(trials=10, epochs=6, width=512, depth=4, pruner="halving")
AWAY = "the storage does not answer"


@pytest.fixture
def own() -> Iterator[EmbeddedServer]:
    """A server that only this test uses, and may stop and kill."""
    with open_folder() as folder:
        yield EmbeddedServer(folder)


def cut(team: Team) -> int:
    """End every connection of the commands, and return how many there were."""
    return len(
        team.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name LIKE 'depthsearch %' AND datname = current_database()"
        )
    )


@pytest.mark.long
def test_cut_connections_and_a_short_stop(own: EmbeddedServer, tmp_path: Path) -> None:
    size = replace(SIZE, trials=4, epochs=5, pruner="none")
    with pool(own.start_detached(), tmp_path, size, open_ended=True) as team:
        member = team.worker(2)
        team.wait_until_in_the_middle()
        for _ in range(3):
            until(lambda: cut(team) > 0, "a connection")
            time.sleep(0.5)
        own.stop(force=True)
        time.sleep(3)
        own.start_detached()
        team.end_well()
        assert AWAY in member.said
        team.check({})


@pytest.mark.long
def test_a_stop_of_twenty_seconds(own: EmbeddedServer, database_url: str, tmp_path: Path) -> None:
    reference = undisturbed(SIZE, database_url, tmp_path / "calm")
    with pool(own.start_detached(), tmp_path, SIZE, open_ended=True) as team:
        member = team.worker(2)
        team.wait_until_in_the_middle()
        own.stop(force=True)
        time.sleep(20)
        own.start_detached()
        team.end_well()
        assert AWAY in member.said
        team.check(reference)


@pytest.mark.long
def test_a_killed_server(own: EmbeddedServer, database_url: str, tmp_path: Path) -> None:
    reference = undisturbed(SIZE, database_url, tmp_path / "calm")
    with pool(own.start_detached(), tmp_path, SIZE, open_ended=True) as team:
        member = team.worker(2)
        for count in (1, 4):
            team.wait_until_finished(count)
            team.wait_until_in_the_middle()
            kill_server(own)
            time.sleep(1)
            own.start_detached()
        team.end_well()
        assert AWAY in member.said
        team.check(reference)


@pytest.mark.long
def test_connections_cut_for_ten_seconds(own: EmbeddedServer, database_url: str, tmp_path: Path) -> None:
    reference = undisturbed(SIZE, database_url, tmp_path / "calm")
    with pool(own.start_detached(), tmp_path, SIZE, open_ended=True) as team:
        team.worker(2)
        team.wait_until_in_the_middle()
        rounds = 0
        for _ in range(20):
            rounds += cut(team) > 0
            time.sleep(0.5)
        assert rounds >= 5, "too little was cut"  # between two cuts the workers wait before they connect again
        team.end_well()
        team.check(reference)


@pytest.mark.long
def test_a_worker_that_dies_while_the_server_is_down(own: EmbeddedServer, tmp_path: Path) -> None:
    with pool(own.start_detached(), tmp_path, replace(SIZE, trials=4), open_ended=True) as team:
        member = team.worker(2)
        team.wait_until_in_the_middle()
        [worker, *_] = [row.worker for row in team.rows("SELECT worker FROM depthsearch.workers")]
        own.stop(force=True)
        kill(int(worker.split("/")[2].partition("-")[0]))
        time.sleep(20)
        own.start_detached()
        team.end_well()
        assert "a worker died" in member.said
        team.check({})


@contextmanager
def disk_of_its_own(own: EmbeddedServer) -> Iterator[Path]:
    """Put a stopped server's data onto a disk with 64 MiB more than they need, and yield their folder."""
    own.start_detached()
    own.stop(force=True)
    data = own.status().folder
    as_superuser(data.parents[1], "GRANT EXECUTE ON FUNCTION pg_switch_wal TO search", database="search")
    saved = data.with_name("saved")
    subprocess.run(["cp", "-a", str(data), str(saved)], check=True)
    size = sum(path.lstat().st_size for path in saved.rglob("*")) + 64 * 2**20
    with small_disk(data, size):
        subprocess.run(["cp", "-a", f"{saved}/.", str(data)], check=True)
        yield data
        own.stop(force=True)


def fill(file: Path) -> None:
    """Write until nothing more fits."""
    with file.open("wb", buffering=0) as output, suppress(OSError):
        while True:
            output.write(bytes(2**16))
    with file.open("ab", buffering=0) as output, suppress(OSError):
        while True:
            output.write(bytes(512))


@pytest.mark.long
@pytest.mark.parametrize("panic", [False, True], ids=["tables", "log"])
def test_a_full_disk(panic: bool, own: EmbeddedServer, database_url: str, home: Path, tmp_path: Path) -> None:
    need_root_and("mount")
    size = Size(trials=6, epochs=16, width=64, depth=3)
    reference = undisturbed(size, database_url, tmp_path / "calm")
    with disk_of_its_own(own) as disk, pool(own.start_detached(), tmp_path, size, open_ended=True) as team:
        member = team.worker(2)
        team.wait_until_in_the_middle()
        fill(disk / "filler")
        if panic:
            with suppress(OperationalError):  # the write-ahead log wants a new file: the server gives up
                for _ in range(20):
                    team.rows("SELECT pg_switch_wal()")
                    team.rows("CREATE TABLE filler AS SELECT generate_series(1, 1000)")
        time.sleep(10)
        os.unlink(disk / "filler")
        if panic:
            assert "PANIC" in (disk.parent / "server.log").read_text()
        own.start_detached()  # as a user does if the server gave up
        team.end_well()
        assert AWAY in member.said
        team.check(reference)
