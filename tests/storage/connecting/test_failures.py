"""Every cause of a failed connection is named, on a real server."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from storage.connecting import causes, failures
from storage.connecting.retry import is_outage
from storage.database import connect
from storage.errors import AccessRefused, BadURL, StorageError, Unreachable
from storage.url import parse
from tests.conftest import execute, open_folder
from tests.search.system_postgres import SystemPostgres
from tests.storage.connecting.false_server import REFUSE_TLS, false_server
from tests.storage.connecting.private_server import (
    at,
    expire,
    hold,
    make_certificate,
    private_server,
    serve_certificate,
    set_hba,
)

PASSWORD = "hunter2horse"


@dataclass(frozen=True)
class Place:
    """A server, and a folder with certificates: `mine` is the server's, `other` nobody's."""

    server: SystemPostgres
    folder: Path

    def at(self, **parts: Any) -> str:
        return at(self.server.url, **parts)

    def ada(self, **parts: Any) -> str:
        """Return the URL of the ordinary user."""
        return at(self.server.url, username="ada", password=PASSWORD, **parts)

    def with_options(self, **query: str) -> str:
        return at(self.server.url, query=query)


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with private_server("-c max_connections=6") as server, open_folder() as folder:
        for statement in (
            f"CREATE ROLE ada LOGIN PASSWORD '{PASSWORD}'",
            f"CREATE ROLE few LOGIN PASSWORD '{PASSWORD}' CONNECTION LIMIT 0",
            f"CREATE ROLE barred NOLOGIN PASSWORD '{PASSWORD}'",
            "CREATE DATABASE small CONNECTION LIMIT 0",
            "CREATE DATABASE closed ALLOW_CONNECTIONS false",
            "CREATE DATABASE private",
            "REVOKE CONNECT ON DATABASE private FROM public",
        ):
            execute(server.url, statement)
        yield Place(server, folder)


def refusal(address: str) -> StorageError:
    """Return what a connection ends with: one sentence without a password."""
    with pytest.raises(StorageError) as caught:
        connect(parse(address))
    said = str(caught.value)
    assert PASSWORD not in said
    assert len(said.splitlines()) == 1
    return caught.value


NO_TLS: dict[str, tuple[Callable[[Place], str], type[StorageError], str]] = {
    "no such database": (lambda p: p.at(database="nowhere"), AccessRefused, "has no database 'nowhere'; create it"),
    "wrong password": (lambda p: p.at(username="ada", password="x"), AccessRefused, "refuses this user or password"),
    "no such user": (lambda p: p.at(username="eve", password="x"), AccessRefused, "refuses this user or password"),
    "no password": (lambda p: p.at(username="ada"), AccessRefused, "asks for a password, and none is known"),
    "no login": (
        lambda p: p.at(username="barred", password=PASSWORD),
        AccessRefused,
        "lets the role 'barred' not log in",
    ),
    "no right to connect": (
        lambda p: p.ada(database="private"),
        AccessRefused,
        "lacks the right CONNECT on the database",
    ),
    "limit of the role": (
        lambda p: p.at(username="few", password=PASSWORD),
        Unreachable,
        "the role 'few' .* has used up its connections",
    ),
    "limit of the database": (
        lambda p: p.ada(database="small"),
        Unreachable,
        "the database 'small' .* has used up its connections",
    ),
    "closed database": (lambda p: p.at(database="closed"), AccessRefused, "the database 'closed' .* ALLOW_CONNECTIONS"),
    "options": (lambda p: p.with_options(options="-cfoo=1"), AccessRefused, 'refuses what `options` sets .*"foo"'),
    "options of a server": (lambda p: p.with_options(options="-z"), AccessRefused, "refuses what `options` sets .*-z"),
    "value in options": (
        lambda p: p.with_options(options="-cwork_mem=x"),
        AccessRefused,
        "refuses what `options` sets",
    ),
    "no TLS": (
        lambda p: p.with_options(sslmode="require"),
        AccessRefused,
        "does not offer TLS, which sslmode requires",
    ),
    "sslmode": (lambda p: p.with_options(sslmode="prefered"), BadURL, "sslmode must be disable, .* not 'prefered'"),
    "number": (lambda p: p.with_options(keepalives="abc"), BadURL, 'described wrongly .*"keepalives"'),
    "service": (lambda p: "postgresql:///?service=nope", BadURL, 'described wrongly .*service "nope" not found'),
    "standby wanted": (
        lambda p: p.with_options(target_session_attrs="standby"),
        Unreachable,
        "as target_session_attrs requires",
    ),
    "no SCRAM": (
        lambda p: p.with_options(require_auth="password"),
        AccessRefused,
        r"does not log in as required \(server requested SASL",
    ),
    "nothing there": (lambda p: at(p.server.url, port=1), Unreachable, "cannot be reached .*Connection refused"),
    "no socket": (lambda p: "postgresql:///d?host=/nowhere", Unreachable, "cannot be reached .*No such file"),
    "unknown host": (lambda p: p.at(host="nowhere.invalid"), Unreachable, "the host name is unknown"),
}


@pytest.mark.parametrize("name", NO_TLS)
def test_a_failed_connection_names_its_cause(name: str, place: Place) -> None:
    address, kind, said = NO_TLS[name]
    error = refusal(address(place))
    assert type(error) is kind
    assert is_outage(error) == (kind is Unreachable)
    with pytest.raises(StorageError, match=said):
        raise error


def test_too_many_clients(place: Place) -> None:
    with hold(place.server.url, 5):  # of six, three of which only superusers get
        assert "has too many clients" in str(refusal(place.ada()))


def test_a_silent_server_is_named_as_one(place: Place) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        port = str(silent.getsockname()[1])
        address = at(place.server.url, port=int(port), query={"connect_timeout": "2"})
        assert "no answer in time" in str(refusal(address))


@pytest.mark.parametrize(
    ("sslmode", "said"), [("disable", "is not Postgres"), ("prefer", "do not agree on TLS .* H[)]")]
)
def test_another_kind_of_server_is_named_as_one(sslmode: str, said: str, place: Place) -> None:
    with false_server(b"HTTP/1.1 400 Bad Request\r\n\r\n") as web, pytest.raises(Unreachable, match=said):
        raise refusal(at(place.server.url, port=web.port, query={"sslmode": sslmode}))


def test_a_server_that_hangs_up_is_named_as_one(place: Place) -> None:
    with false_server(REFUSE_TLS) as rude:
        assert "closed the connection" in str(refusal(at(place.server.url, port=rude.port)))


def test_who_may_log_in_and_how(place: Place) -> None:
    serve_certificate(place.server, make_certificate(place.folder, "127.0.0.1"))
    set_hba(place.server, "hostssl all ada 127.0.0.1/32 cert", "hostssl all few 127.0.0.1/32 scram-sha-256")
    try:
        unencrypted = place.at(username="few", password=PASSWORD, query={"sslmode": "disable"})
        assert "lets this user in from this machine not without TLS" in str(refusal(unencrypted))
        # Tried with TLS, then without: the first answer counts.
        assert "refuses this user or password" in str(refusal(place.at(username="few", password="x")))
        unknown = place.at(username="eve", password="x", query={"sslmode": "require"})
        assert "does not let this user in from this machine" in str(refusal(unknown))
        assert "wants a client certificate" in str(refusal(place.ada(query={"sslmode": "require"})))
    finally:
        set_hba(place.server, "host all all 127.0.0.1/32 scram-sha-256")


def test_a_certificate_that_is_not_valid_is_named_by_what_is_wrong_with_it(place: Place) -> None:
    mine = make_certificate(place.folder, "127.0.0.1")
    serve_certificate(place.server, mine)
    other, gone = make_certificate(place.folder, "other.example"), place.folder / "gone.crt"

    def verified(by: Path | str) -> str:
        return place.with_options(sslmode="verify-full", sslrootcert=str(by))

    connect(parse(verified(mine))).close()
    assert "is not valid (self-signed certificate); name the authority" in str(refusal(verified(other)))
    assert f"the certificate authority's file {gone} cannot be read" in str(refusal(verified(gone)))
    assert "is not valid" in str(refusal(verified("system")))
    serve_certificate(place.server, other)
    assert 'is made for "other.example"' in str(refusal(verified(other)))
    old = expire(make_certificate(place.folder, "127.0.0.1"))
    serve_certificate(place.server, old)
    assert "is not valid (certificate has expired)" in str(refusal(verified(old)))


def test_a_client_certificate_that_cannot_be_used_is_named(place: Place) -> None:
    mine = make_certificate(place.folder, "127.0.0.1")
    serve_certificate(place.server, mine)
    mine.with_suffix(".key").chmod(0o644)
    address = place.with_options(sslmode="require", sslcert=str(mine), sslkey=str(mine.with_suffix(".key")))
    assert "group or world access" in str(refusal(address))


def test_every_cause_has_a_sentence_that_can_be_written() -> None:
    facts = {"where": "HERE", "database": "d", "why": "w", "said": "s"}
    for cause in (*causes.ANSWERED, *causes.OWN, *causes.OTHER):
        assert cause.sentence.format(None, "group", **facts)
        assert (";" in cause.sentence) == (cause not in causes.OTHER)


def test_what_no_row_knows_is_shown_as_it_was_said() -> None:
    location = parse("postgresql://db/d")
    before = 'connection to server at "db" (192.0.2.1), port 5432 failed: '
    german = failures.explain(Exception(f"{before}FATAL:  Verbindung abgelehnt\nDETAIL:  warum\n"), location)
    assert str(german) == "the server at postgresql://db/d refuses the connection: Verbindung abgelehnt"
    own = failures.explain(Exception(f"{before}moon is in the wrong phase\n"), location)
    assert str(own) == "the storage postgresql://db/d cannot be used: moon is in the wrong phase"
