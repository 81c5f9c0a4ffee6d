"""The dashboard's gate over real HTTP: who is let in, and what they may do."""

import base64
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from storage.embedded.server import EmbeddedServer
from tests.search.serving import STUDY, Dashboard, serving, start

PASSWORD = "a:pass wörd"
ENDS_WITHIN_S = 5


@pytest.fixture(scope="module")
def readonly(study_url: str) -> Iterator[Dashboard]:
    with serving(SEARCH_STORAGE=study_url) as dashboard:
        yield dashboard


@pytest.fixture(scope="module")
def guarded(study_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A dashboard for everybody with the password."""
    file = tmp_path_factory.mktemp("secrets") / "password.txt"
    file.write_text(f"{PASSWORD}\n", encoding="utf-8")
    file.chmod(0o600)
    with serving("--host=0.0.0.0", f"--password-file={file}", SEARCH_STORAGE=study_url) as dashboard:
        yield dashboard


def basic(password: str, scheme: str = "Basic") -> str:
    return f"{scheme} {base64.b64encode(f'anybody:{password}'.encode()).decode()}"


def refused(*flags: str, **environment: str) -> tuple[int, str]:
    """The exit code and the one line of a dashboard that does not start."""
    with start(*flags, **environment) as process:
        try:
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert out == ""
    assert err.startswith("error: "), err
    assert err.count("\n") == 1, err
    return process.returncode, err


def ended(process: subprocess.Popen[str], number: signal.Signals) -> tuple[int, str]:
    process.send_signal(number)
    _, err = process.communicate(timeout=ENDS_WITHIN_S)
    return process.returncode, err


def test_reads_are_answered_and_the_study_is_listed(readonly: Dashboard) -> None:
    page = readonly.ask("GET", "/dashboard")
    assert page.status == 200
    assert "<html" in str(page.body).lower()
    assert readonly.study_names() == [STUDY]


def test_listens_on_loopback_alone_by_default(readonly: Dashboard) -> None:
    assert readonly.url == f"http://127.0.0.1:{readonly.port}/"
    with socket.socket() as probe:
        probe.settimeout(5)
        assert probe.connect_ex(("127.0.0.2", readonly.port)) != 0


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1", "[::1]:8080"])
def test_this_machines_own_names_are_answered(readonly: Dashboard, host: str) -> None:
    assert readonly.ask("GET", "/api/studies", host=host).status == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example:8080", "127.0.0.1.evil.example", ""])
def test_foreign_host_is_misdirected(readonly: Dashboard, host: str) -> None:
    answer = readonly.ask("GET", "/api/studies", host=host)
    assert answer.status == 421
    assert STUDY not in str(answer.body)


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/api/studies"), ("DELETE", "/api/studies/1"), ("PUT", "/api/studies/1/note"), ("BREW", "/")],
)
def test_read_only_by_default(readonly: Dashboard, method: str, path: str) -> None:
    answer = readonly.ask(method, path)
    assert answer.status == 403
    assert isinstance(answer.body, dict)  # as the page expects it
    assert "--writable" in answer.body["reason"]
    assert readonly.study_names() == [STUDY]


def test_other_sites_may_not_frame_its_pages(readonly: Dashboard) -> None:
    headers = readonly.ask("GET", "/dashboard").headers
    assert headers["X-Frame-Options"] == "SAMEORIGIN"
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_many_requests_at_once_are_answered(readonly: Dashboard) -> None:
    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda _: readonly.ask("GET", "/api/studies/1").status, range(48)))
    assert answers == [200] * 48


@pytest.mark.parametrize(
    "credentials",
    [
        {},
        {"authorization": basic("wrong")},
        {"authorization": basic("")},
        {"authorization": basic(PASSWORD, "Bearer")},
        {"authorization": "Basic %%%"},
        {"authorization": "Basic"},
    ],
)
def test_without_the_password_nothing_is_shown(guarded: Dashboard, credentials: dict[str, str]) -> None:
    # From an address of its own, because wrong passwords make an address wait.
    answer = guarded.ask("GET", "/api/studies", source="127.0.0.9", **credentials)
    assert answer.status == 401
    assert answer.headers["Www-Authenticate"].startswith("Basic ")
    assert STUDY not in str(answer.body)


def test_with_the_password_every_host_name_is_answered_and_nothing_can_be_changed(guarded: Dashboard) -> None:
    credentials = {"authorization": basic(PASSWORD), "host": "gpu-box.example:8080"}
    assert guarded.study_names(**credentials) == [STUDY]
    assert guarded.ask("DELETE", "/api/studies/1", **credentials).status == 403


def test_the_password_may_come_from_the_environment(study_url: str) -> None:
    with serving(SEARCH_STORAGE=study_url, SEARCH_DASHBOARD_PASSWORD=PASSWORD) as dashboard:
        assert dashboard.ask("GET", "/").status == 401
        assert dashboard.study_names(authorization=basic(PASSWORD)) == [STUDY]


def test_other_addresses_than_loopback_want_a_password(study_url: str) -> None:
    code, sentence = refused("--host=0.0.0.0", SEARCH_STORAGE=study_url)
    assert code == 2
    assert "0.0.0.0" in sentence
    assert "--password-file" in sentence


@pytest.mark.parametrize(
    ("content", "why"), [(None, "No such file"), (b" \n", "is empty"), (b"\xff\xfe", "not UTF-8 text")]
)
def test_password_file_without_a_password(study_url: str, tmp_path: Path, content: bytes | None, why: str) -> None:
    file = tmp_path / "password.txt"
    if content is not None:
        file.write_bytes(content)
        file.chmod(0o600)
    code, sentence = refused(f"--password-file={file}", SEARCH_STORAGE=study_url)
    assert code == 2
    assert str(file) in sentence
    assert why in sentence


def test_port_that_is_taken(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, sentence = refused(f"--port={port}")
    assert code == 1
    assert f"127.0.0.1:{port}" in sentence
    assert "--port" in sentence
    assert not EmbeddedServer(home).status().running


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_signal_ends_it_and_the_embedded_server(home: Path, number: signal.Signals, code: int, word: str) -> None:
    with serving() as dashboard:
        assert dashboard.study_names() == []
        assert EmbeddedServer(home).status().running
        begun = time.monotonic()
        assert ended(dashboard.process, number)[0] == code
        assert time.monotonic() - begun < ENDS_WITHIN_S
    assert not EmbeddedServer(home).status().running


def test_says_in_one_word_how_it_ended(study_url: str) -> None:
    with serving(SEARCH_STORAGE=study_url) as dashboard:
        code, err = ended(dashboard.process, signal.SIGINT)
    assert code == 130
    assert err.splitlines() == ["end it with Ctrl-C", "interrupted"]


def test_ctrl_c_twice_still_stops_the_embedded_server(home: Path) -> None:
    with serving() as dashboard:
        dashboard.process.send_signal(signal.SIGINT)
        deadline = time.monotonic() + ENDS_WITHIN_S
        while dashboard.process.poll() is None and time.monotonic() < deadline:
            dashboard.process.send_signal(signal.SIGINT)
            time.sleep(0.002)
        assert dashboard.process.wait(ENDS_WITHIN_S) == 130
    assert not EmbeddedServer(home).status().running
