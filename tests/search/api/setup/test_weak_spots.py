"""`search doctor` names each weak spot of a set-up while it is there, and is quiet when it is gone."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from objectives.data import hiding
from search.api.setup.doctor import check_all, check_none_failed
from search.api.setup.weak_spots import SETUP, STORAGE, WeakSpot
from search.display.doctor_report import show_findings
from search.settings import Settings, load
from search.workers.machine import hidden_files
from storage.database import open_database
from storage.url import parse
from tests.conftest import execute, open_folder
from tests.search.system_postgres import SystemPostgres
from tests.storage import pooler
from tests.storage.connecting.private_server import at, make_certificate, private_server, serve_certificate, set_hba

PASSWORD = secrets.token_hex(8)


@pytest.fixture(scope="module")
def server() -> Iterator[SystemPostgres]:
    """Run a server with a database of an ordinary role, which is trusted."""
    with private_server() as server:
        execute(server.url, f"CREATE ROLE ada LOGIN PASSWORD '{PASSWORD}'")
        execute(server.url, "CREATE DATABASE studies OWNER ada")
        set_hba(server, "host all ada 127.0.0.1/32 trust")
        with open_database(parse(as_ada(server))):  # whose tables are its own
            pass
        yield server


def as_ada(server: SystemPostgres, **parts: object) -> str:
    return at(server.url, username="ada", database="studies", **parts)  # type: ignore[arg-type]


def complaint(check: Callable[[], str]) -> str | None:
    try:
        assert check()
    except WeakSpot as spot:
        return str(spot)
    return None


def find(name: str, settings: Settings) -> str | None:
    """Return what a check of the set-up complains about; None if all is well."""
    return complaint(lambda: SETUP[name](settings))


def find_at(name: str, address: str) -> str | None:
    """Return what a check of the storage complains about; None if all is well."""
    with open_database(parse(address)) as database:
        return complaint(lambda: STORAGE[name](database))


def test_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert "run them as an ordinary user" in str(find("user", load()))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert find("user", load()) is None


def test_secrets_that_others_may_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {name: tmp_path / name for name in ("pgpass", "services", "search.toml")}
    files["pgpass"].write_text(f"*:*:*:*:{PASSWORD}\n")
    files["services"].write_text(f"[team]\npassword={PASSWORD}\n")
    files["search.toml"].write_text(f'storage = "postgresql://ada:{PASSWORD}@db/d"\n')
    for variable, file in zip(("PGPASSFILE", "PGSERVICEFILE", "SEARCH_CONFIG"), files.values(), strict=True):
        monkeypatch.setenv(variable, str(file))
    for file in files.values():
        file.chmod(0o600)
    settings = load()
    assert find("secrets", settings) is None
    own = settings.home / "postgres" / "pgpass"
    own.parent.mkdir(parents=True)
    own.touch(0o600)
    files["embedded"] = own
    for file in files.values():
        for mode in (0o640, 0o604):
            file.chmod(mode)
            assert str(file) in str(find("secrets", settings))
        file.chmod(0o644)
        assert f"run `chmod 600 {file}`" in str(find("secrets", settings))
        assert PASSWORD not in str(find("secrets", settings))
        file.chmod(0o600)
    files["search.toml"].write_text('storage = "postgresql://ada@db/d"\n')
    files["search.toml"].chmod(0o644)
    assert find("secrets", settings) is None


def test_test_files_that_workers_may_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "flowers" / "test").mkdir(parents=True)
    settings = load(data=tmp_path)
    assert (find("test files", settings) is None) == (hiding.find_obstacle() is None)
    monkeypatch.setattr(hiding, "find_obstacle", lambda: "the kernel refuses")
    told = str(find("test files", settings))
    assert f"can read {tmp_path / 'flowers' / 'test'}, because they cannot be hidden" in told
    assert "(the kernel refuses); workers refuse" in told
    (tmp_path / "flowers" / "test").rmdir()
    assert find("test files", settings) is None


def test_a_connection_that_a_hidden_process_could_not_make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = tmp_path / "client.key"
    key.touch()
    monkeypatch.setenv("PGSSLKEY", str(key))
    address = "postgresql+psycopg2://ada@db/d"
    monkeypatch.setattr(os, "geteuid", lambda: key.stat().st_uid + 1)
    assert hidden_files.hide_test_files(load(), address) == f"the private key {key} for the storage is another user's"
    monkeypatch.delenv("PGSSLKEY")
    refused = hidden_files.hide_test_files(load(), f"{address}?requirepeer=postgres")
    assert refused == "the connection to the storage has requirepeer"


def test_a_superuser(server: SystemPostgres) -> None:
    assert "the role 'team' is a superuser" in str(find_at("role", at(server.url, database="studies")))
    assert find_at("role", as_ada(server)) is None


def test_a_pooler_is_told_and_is_no_weak_spot(server: SystemPostgres) -> None:
    def told(address: str) -> str:
        with open_database(parse(address)) as database:
            return STORAGE["pooler"](database)

    assert told(as_ada(server)) == "a direct connection"
    with open_folder() as folder, pooler.running(folder, as_ada(server, password=PASSWORD)) as pooled:
        assert told(pooled) == "a pooler, such as PgBouncer, stands before the server"


def test_a_connection_that_others_could_read_or_pose_in(server: SystemPostgres) -> None:
    elsewhere = as_ada(server, host="127.1")
    assert find_at("encryption", as_ada(server)) is None
    assert "there is no TLS; have the server offer it" in str(find_at("encryption", elsewhere))
    certificate = make_certificate(server.data.parent, "127.0.0.1")
    serve_certificate(server, certificate)
    assert "with sslmode=prefer another server could pose as this one" in str(find_at("encryption", elsewhere))
    required = at(elsewhere, query={"sslmode": "require"})
    assert "with sslmode=require another server could pose as this one" in str(find_at("encryption", required))
    verified = at(elsewhere, query={"sslmode": "verify-full", "sslrootcert": str(certificate)})
    assert find_at("encryption", verified) is None


def test_a_weak_spot_is_shown_and_is_no_failure(
    server: SystemPostgres, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    findings = check_all(load(storage=at(server.url, database="studies"), data=tmp_path))
    [role] = [finding for finding in findings if finding.check == "role"]
    assert (role.fine, role.weak) == (True, True)
    show_findings([role])
    assert capsys.readouterr().out.startswith("weak role: the role 'team' is a superuser")
    check_none_failed([role])
    assert {*SETUP, *STORAGE} <= {finding.check for finding in findings}


def test_a_read_only_storage_has_failed(server: SystemPostgres, tmp_path: Path) -> None:
    address = at(server.url, database="studies", query={"options": "-cdefault_transaction_read_only=on"})
    findings = {finding.check: finding for finding in check_all(load(storage=address, data=tmp_path))}
    assert not findings["storage"].fine
    assert (
        "read-only: the URL, its service or PGOPTIONS sets default_transaction_read_only" in findings["storage"].found
    )
