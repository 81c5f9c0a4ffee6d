"""The same commands on the machine's own Postgres, and a study that moves there from the embedded one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.search import system_postgres
from tests.search.command import done, finished, search
from tests.search.system_postgres import SystemPostgres


@pytest.fixture
def team(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SystemPostgres]:
    programs = system_postgres.installed()
    if programs is None:
        pytest.skip("this machine has no Postgres of its own (apt install postgresql)")
    with system_postgres.running(programs, home) as server:
        monkeypatch.setenv("PGPASSFILE", str(server.password_file))
        yield server


@pytest.mark.slow
@pytest.mark.long
def test_a_study_moves_from_the_embedded_server_and_goes_on(team: SystemPostgres, tmp_path: Path) -> None:
    run = ("--study", "digits-depth", "--epochs", "3", "--workers", "2")
    done("run", *run, "--trials", "4")
    here = done("status", "--study", "digits-depth", "--json").document
    copied = done("storage", "copy", "--study", "digits-depth", "--to", team.url)
    assert "with 4 trials" in copied.out
    there = done("status", "--study", "digits-depth", "--json", "--storage", team.url).document
    assert there == here
    done("run", *run, "--trials", "6", "--storage", team.url)
    grown = done("status", "--study", "digits-depth", "--json", "--storage", team.url).document
    assert finished(grown) == 6
    assert finished(done("status", "--study", "digits-depth", "--json").document) == 4
    final = ("final", "--study", "digits-depth", "--json", "--out", tmp_path / "out")
    first = done(*final, "--storage", team.url).document
    assert first["first_time"] is True
    again = search("storage", "copy", "--study", "digits-depth", "--to", team.url)
    assert again.code == 2
    assert "kept here already" in again.err


@pytest.mark.long
@pytest.mark.slow
def test_backup_and_restore(team: SystemPostgres, tmp_path: Path) -> None:
    done("run", "--study", "digits-depth", "--epochs", "1", "--trials", "2", "--workers", "1")
    before = done("list", "--json").document
    done("storage", "backup", "--file", tmp_path / "studies.dump")
    ended = search("storage", "restore", "--file", tmp_path / "studies.dump")
    assert ended.code == 1  # never over studies that are there
    assert done("list", "--json").document == before
    elsewhere = {"SEARCH_HOME": str(Path(team.password_file.parent) / "elsewhere")}
    done("storage", "restore", "--file", tmp_path / "studies.dump", env=elsewhere)
    assert done("list", "--json", env=elsewhere).document == before
