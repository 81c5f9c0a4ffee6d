"""A password does not travel where others could read it, and logins that need none keep working."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from storage.connecting.parameters import find_parameters, is_local
from storage.database import connect
from storage.errors import StorageError, Unreachable
from storage.url import parse
from tests.conftest import execute, open_folder
from tests.search.system_postgres import SystemPostgres
from tests.storage.connecting.false_server import ASK_FOR_MD5, ASK_IN_CLEAR, REFUSE_TLS, FalseServer, false_server
from tests.storage.connecting.private_server import at, make_certificate, private_server, serve_certificate, set_hba

PASSWORD = "hunter2horse"
# Another spelling of 127.0.0.1, which no rule of ours takes for this machine.
ELSEWHERE = "127.1"


@pytest.fixture(scope="module")
def server() -> Iterator[SystemPostgres]:
    """Run a server without TLS that knows users for each way to log in."""
    with private_server() as server:
        for name in ("ada", "trusted", "certified", "clear"):
            execute(server.url, f"CREATE ROLE {name} SUPERUSER LOGIN PASSWORD '{PASSWORD}'")
        execute(server.url, f"SET password_encryption = md5; CREATE ROLE old SUPERUSER LOGIN PASSWORD '{PASSWORD}'")
        rules = [f"host all {user} 127.0.0.1/32 {way}" for user, way in (("trusted", "trust"), ("old", "md5"))]
        set_hba(server, *rules, "host all clear all password", "hostssl all certified all cert", "host all ada all md5")
        yield server


@pytest.fixture(scope="module")
def server_with_tls(server: SystemPostgres) -> Iterator[tuple[SystemPostgres, Path]]:
    """Let the same server offer TLS from here on, and trust the certificate of the client `certified`."""
    with open_folder() as folder:
        serve_certificate(server, make_certificate(folder, "127.0.0.1"))
        client = make_certificate(folder, "certified")
        (server.data / "root.crt").write_bytes(client.read_bytes())
        (server.data / "root.crt").chmod(0o644)
        execute(server.url, "ALTER SYSTEM SET ssl_ca_file = 'root.crt'")
        execute(server.url, "SELECT pg_reload_conf()")
        yield server, client


def elsewhere(server: SystemPostgres | FalseServer, user: str = "ada", **query: str) -> str:
    base = server.url if isinstance(server, SystemPostgres) else f"postgresql://x@x:{server.port}/postgres"
    return at(base, host=ELSEWHERE, username=user, password=PASSWORD, query=query)


def is_let_in(address: str) -> bool:
    connect(parse(address)).close()
    return True


@pytest.mark.parametrize("asked", [ASK_IN_CLEAR, ASK_FOR_MD5], ids=["clear", "md5"])
def test_a_false_server_on_another_machine_gets_no_password(asked: bytes) -> None:
    with false_server(REFUSE_TLS, asked) as false:
        with pytest.raises(Unreachable, match="does not log in as required") as caught:
            connect(parse(elsewhere(false)))
        false.end()
        assert b"user" in false.got
        assert PASSWORD.encode() not in false.got
        assert b"md5" not in false.got
    assert "%21" not in str(caught.value)  # what was added to the URL is not shown


def test_nor_does_it_where_a_service_or_the_environment_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    with false_server(REFUSE_TLS, ASK_IN_CLEAR) as false:
        (tmp_path / "services").write_text(f"# ours\n[team]\nhost={ELSEWHERE}\nport={false.port}\nuser=ada\ndbname=d\n")
        monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
        for address in ("postgresql:///?service=team", "postgresql:///d"):
            with pytest.raises(StorageError, match="does not log in as required"):
                connect(parse(address))
            monkeypatch.setenv("PGHOST", ELSEWHERE)
            monkeypatch.setenv("PGPORT", str(false.port))
        false.end()
        assert PASSWORD.encode() not in false.got


def test_a_password_needs_tls_or_a_word_about_it(
    server: SystemPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Unreachable, match=r"offers no TLS, .* add [?]sslmode=disable"):
        connect(parse(elsewhere(server)))
    assert is_let_in(elsewhere(server, sslmode="disable"))
    assert is_let_in(elsewhere(server, sslmode="prefer"))
    assert is_let_in(at(server.url, host="localhost", username="ada", password=PASSWORD))
    with monkeypatch.context() as patch:
        patch.setenv("PGSSLMODE", "allow")
        assert is_let_in(elsewhere(server))
    (tmp_path / "services").write_text("[team]\nsslmode=disable\n")
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    assert is_let_in(elsewhere(server, service="team"))


def test_a_service_says_all_that_a_url_would(
    server: SystemPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = parse(server.url)
    lines = f"[team]\nhost=127.0.0.1\nport={location.port}\nuser=ada\ndbname=postgres\n"
    (tmp_path / "services").write_text(lines)
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    assert is_let_in("postgresql:///?service=team")


def test_a_login_without_a_password_needs_no_tls(server: SystemPostgres) -> None:
    assert is_let_in(elsewhere(server, "trusted"))


def test_a_password_that_would_travel_is_refused_unless_the_user_says_so(server: SystemPostgres) -> None:
    for user, way in (("old", "md5"), ("clear", "password")):
        with pytest.raises(Unreachable, match="does not log in as required"):
            connect(parse(elsewhere(server, user, sslmode="disable")))
        assert is_let_in(elsewhere(server, user, sslmode="disable", require_auth=way))
        assert is_let_in(at(server.url, username=user, password=PASSWORD))  # on this machine


def test_with_tls_nothing_needs_to_be_said(server_with_tls: tuple[SystemPostgres, Path]) -> None:
    server, client = server_with_tls
    assert is_let_in(elsewhere(server))
    assert is_let_in(elsewhere(server, "trusted"))
    certificate = {"sslcert": str(client), "sslkey": str(client.with_suffix(".key"))}
    assert is_let_in(elsewhere(server, "certified", **certificate))


@pytest.mark.parametrize(
    ("given", "local"),
    [
        ({}, True),
        ({"host": "localhost"}, True),
        ({"host": "127.0.0.2"}, True),
        ({"host": "::1"}, True),
        ({"host": "/run/postgresql"}, True),
        ({"host": "db"}, False),
        ({"host": "db", "hostaddr": "127.0.0.1"}, True),
        ({"host": "localhost", "hostaddr": "192.0.2.1"}, False),
        ({"host": "localhost,db"}, False),
        ({"host": ELSEWHERE}, False),
    ],
)
def test_another_machine_is_known_by_its_address(given: dict[str, str], local: bool) -> None:
    assert is_local(given) is local


def test_the_url_comes_before_the_service_and_that_before_the_environment(tmp_path: Path) -> None:
    (tmp_path / "services").write_text(
        "[a]\nhost=other\n[team]\n#host=no\nhost = service\nsslmode=allow\nport=1\n[b]\nport=2\n"
    )
    environ = {
        "PGSERVICEFILE": str(tmp_path / "services"),
        "PGSERVICE": "team",
        "PGHOST": "env",
        "PGREQUIREAUTH": "none",
    }
    found: dict[str, Any] = find_parameters(parse("postgresql://url/d"), environ)
    assert (found["host"], found["port"], found["sslmode"], found["require_auth"]) == ("url", "1", "allow", "none")
    assert find_parameters(parse("postgresql:///d"), environ)["host"] == "service"
    assert find_parameters(parse("postgresql:///d"), {"PGHOST": "env"})["host"] == "env"
    assert psycopg2.extensions.libpq_version() >= 160000, "this libpq cannot insist on SCRAM"
