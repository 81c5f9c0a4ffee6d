"""The dashboard over TLS, and behind a proxy."""

import os
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from search.dashboard.server import MOST_CONNECTIONS
from search.dashboard.tls import MOST_RELAYS
from tests.search.command import until
from tests.search.serving import STUDY, Dashboard, serving
from tests.search.test_dashboard_access import PASSWORD, RIGHT, WRONG, refused
from tests.storage.connecting.private_server import make_certificate

FORM = {"content_type": "application/x-www-form-urlencoded", "origin": "null"}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"), "127.0.0.1")


@pytest.fixture(scope="module")
def encrypted(study_url: str, certificate: Path) -> Iterator[Dashboard]:
    flags = (f"--tls-cert={certificate}", f"--tls-key={certificate.with_suffix('.key')}")
    with serving(*flags, SEARCH_STORAGE=study_url, SEARCH_DASHBOARD_PASSWORD=PASSWORD) as dashboard:
        yield dashboard


def trusting(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificate)


def shake_hands(port: int, context: ssl.SSLContext) -> str:
    """The version of TLS that both sides agree on."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=30) as connection,
        context.wrap_socket(connection, server_hostname="127.0.0.1") as secured,
    ):
        return str(secured.version())


def test_its_certificate_is_what_a_browser_checks_and_old_tls_is_refused(
    encrypted: Dashboard, certificate: Path
) -> None:
    assert encrypted.url == f"https://127.0.0.1:{encrypted.port}/"
    context = trusting(certificate)
    assert shake_hands(encrypted.port, context) == "TLSv1.3"
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert shake_hands(encrypted.port, context) == "TLSv1.2"
    old = trusting(certificate)
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with pytest.raises(OSError):  # noqa: PT011 - how it ends differs between libraries
        shake_hands(encrypted.port, old)


def test_over_tls_a_session_is_secure(encrypted: Dashboard) -> None:
    answer = encrypted.ask("POST", "/login", "secret=correct+horse", **FORM)
    given, *attributes = answer.headers["Set-Cookie"].split("; ")
    assert answer.status == 303
    assert given.startswith("__Host-")
    assert set(attributes) == {"Path=/", "HttpOnly", "SameSite=Strict", "Secure"}
    assert encrypted.study_names(cookie=given) == [STUDY]
    assert len(str(encrypted.ask("GET", "/static/bundle.js", authorization=RIGHT).body)) > 1_000_000


def test_wrong_passwords_over_tls_delay_their_own_address(encrypted: Dashboard) -> None:
    statuses = [encrypted.ask("GET", "/", authorization=WRONG, source="127.0.0.3").status for _ in range(6)]
    assert statuses[:3] == [401] * 3
    assert 429 in statuses
    assert encrypted.study_names(authorization=RIGHT) == [STUDY]


def answers(dashboard: Dashboard) -> bool:
    try:
        return dashboard.ask("GET", "/healthz").status == 200
    except ConnectionResetError:
        return False


def test_connections_that_never_shake_hands_keep_nobody_out(encrypted: Dashboard) -> None:
    with ExitStack() as silent:
        for number in range(600):
            connection = silent.enter_context(socket.create_connection(("127.0.0.1", encrypted.port), timeout=30))
            connection.sendall((b"", b"\x16\x03\x01", b"GET / HTTP/1.1\r\n\r\n")[number % 3])
        begun = time.monotonic()
        # The system's own queue may still be full of them: then it resets a connection, which a browser tries again.
        until(lambda: answers(encrypted), "an answer")
        assert time.monotonic() - begun < 5
        held = len(os.listdir(f"/proc/{encrypted.process.pid}/fd"))
    assert held < 2 * MOST_RELAYS + MOST_CONNECTIONS + 100, "of two sockets for each connection, and one of the server"


def test_a_certificate_without_its_key_is_refused_before_anything_is_opened(certificate: Path, tmp_path: Path) -> None:
    key, other = certificate.with_suffix(".key"), make_certificate(tmp_path, "localhost").with_suffix(".key")
    (open_key := tmp_path / "open.key").write_bytes(key.read_bytes())
    open_key.chmod(0o644)
    for flags, word in (
        ((f"--tls-cert={tmp_path / 'none.crt'}",), "none.crt, which cannot be read (No such file"),
        ((f"--tls-cert={certificate}", f"--tls-key={other}"), "is not that of the certificate"),
        ((f"--tls-cert={key}", f"--tls-key={key}"), "are not a certificate and its key"),
        ((f"--tls-cert={certificate}", f"--tls-key={open_key}"), f"chmod 600 {open_key}"),
        ((f"--tls-key={key}",), "--tls-cert"),
    ):
        # A storage that does not exist: it is not even asked for.
        code, err = refused(*flags, SEARCH_STORAGE="postgresql://nobody@127.0.0.1:1/none")
        assert code == 2
        assert word in err


def test_a_proxy_is_believed_only_where_it_is_named(study_url: str) -> None:
    environment = {"SEARCH_STORAGE": study_url, "SEARCH_DASHBOARD_PASSWORD": PASSWORD}
    claims = {"x_forwarded_for": "203.0.113.9", "x_forwarded_proto": "https"}
    login = ("POST", "/login", "secret=correct+horse")
    with serving("--allow-host=search.example", "--trusted-proxy=127.0.0.1", **environment) as dashboard:
        named = {"host": "search.example", **claims}
        assert "Secure" in dashboard.ask(*login, **FORM, **named).headers["Set-Cookie"]
        # Another's address has no say, nor has what the visitor himself has put before the proxy's own line.
        assert "Secure" not in dashboard.ask(*login, **FORM, **named, source="127.0.0.4").headers["Set-Cookie"]
        for number in range(6):
            forged = named | {"x_forwarded_for": f"10.0.0.{number}, 203.0.113.66"}
            last = dashboard.ask("GET", "/api/studies", authorization=WRONG, **forged).status
        assert last == 429
        assert dashboard.study_names(authorization=RIGHT, **named) == [STUDY]
        assert dashboard.ask("GET", "/api/studies", authorization=RIGHT, host="evil.example").status == 421
    with serving(**environment) as dashboard:
        assert "Secure" not in dashboard.ask(*login, **FORM, **claims).headers["Set-Cookie"]
        for number in range(6):
            forged = {"x_forwarded_for": f"10.0.0.{number}"}
            last = dashboard.ask("GET", "/api/studies", authorization=WRONG, **forged).status
        assert last == 429
        until(lambda: dashboard.ask("GET", "/", authorization=RIGHT).status == 303, "the address has waited")
