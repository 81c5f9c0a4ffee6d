"""What the dashboard does with requests that are slow, long, wrong, or too many."""

import http.client
import itertools
import json
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import psutil
import pytest

from search.dashboard import channel as channels
from search.dashboard import server as servers
from search.dashboard.guard import MOST_COMPUTING, DashboardGuard
from search.dashboard.metrics import StudyNumbers
from search.dashboard.routes import Routes
from search.dashboard.server import MOST_CONNECTIONS, DashboardServer
from search.dashboard.wsgi import Application
from tests.search.command import until
from tests.search.serving import Dashboard, serving


@pytest.fixture(scope="module")
def dashboard(study_url: str) -> Iterator[Dashboard]:
    with serving("--no-token", SEARCH_STORAGE=study_url) as dashboard:
        yield dashboard
        dashboard.process.terminate()
        _, err = dashboard.process.communicate(timeout=30)
    assert "Traceback" not in err


def send(port: int, request: str) -> tuple[int, dict[str, str], bytes]:
    """Send bytes as they are; return status, headers and body of the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(request.replace("\n", "\r\n").encode())
        response = http.client.HTTPResponse(connection)
        response.begin()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ("GET /favicon.ico HTTP/1.1\nHost: localhost\n\n", 200),
        ("GET /static/bundle.js HTTP/1.0\nHost: localhost\n\n", 200),
        ("GET /api/studies/1?after=abc HTTP/1.1\nHost: localhost\n\n", 400),
        ("GET /api/studies/1?after=0;after=abc HTTP/1.1\nHost: localhost\n\n", 400),
        ("GET /api/studies/1?x=1;after=abc HTTP/1.1\nHost: localhost\n\n", 200),
        ("GET /api/studies/77/plot/contour HTTP/1.1\nHost: localhost\n\n", 404),
        ("GET /api/studies/99999999999/param_importances HTTP/1.1\nHost: localhost\n\n", 404),
        (f"GET /api/studies/{'9' * 5000} HTTP/1.1\nHost: localhost\n\n", 404),
        (f"GET /artifacts/{'9' * 5000}/03-1 HTTP/1.1\nHost: localhost\n\n", 404),
        ("GET /api/studies/1 HTTP/1.1\nHost: localhost\nContent-Length: many\n\n", 400),
        ("GET /api/meta HTTP/1.1\nHost: evil.example\n\n", 421),
        ("POST /api/studies HTTP/1.1\nHost: localhost\nContent-Length: 9999999999\n\n", 413),
        (f"GET /{'x' * 70000} HTTP/1.1\nHost: localhost\n\n", 431),
        (f"GET / HTTP/1.1\nHost: localhost\nX: {'x' * 70000}\n\n", 431),
        ("GET / HTTP/1.1 what\n\n", 400),
    ],
)
def test_every_answer_is_guarded_and_none_is_a_failure(dashboard: Dashboard, request_: str, status: int) -> None:
    answered, headers, body = send(dashboard.port, request_)
    assert answered == status
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers
    if "/static/" not in request_ and "favicon" not in request_:
        assert headers["cache-control"] == "no-store"
    if status >= 400:
        assert json.loads(body)["reason"]


def test_silent_connections_keep_nobody_out(dashboard: Dashboard) -> None:
    with ExitStack() as silent:
        for number in range(2 * MOST_CONNECTIONS):
            connection = silent.enter_context(socket.create_connection(("127.0.0.1", dashboard.port), timeout=30))
            connection.sendall(b"GET /api/studies HTTP/1.1\r\nHost: " if number % 2 else b"")
        begun = time.monotonic()
        assert dashboard.ask("GET", "/api/studies").status == 200
        assert time.monotonic() - begun < channels.REQUEST_SECONDS / 2
        with open(f"/proc/{dashboard.process.pid}/status") as file:
            [threads] = [int(line.split()[1]) for line in file if line.startswith("Threads:")]
        assert threads < 2 * MOST_CONNECTIONS


def test_beside_fifty_clients_and_some_that_send_a_byte_a_second_nobody_waits_a_second(dashboard: Dashboard) -> None:
    stop = threading.Event()

    def trickle(connection: socket.socket) -> None:
        for byte in itertools.cycle(b"GET /api/studies HTTP/1.1\r\nHost: localhost\r\nX: "):
            connection.sendall(bytes([byte]))
            if stop.wait(1.0):
                return

    def ask(_: int) -> tuple[int, float]:
        begun = time.monotonic()
        return dashboard.ask("GET", "/api/studies").status, time.monotonic() - begun

    with ExitStack() as slow, ThreadPoolExecutor(70) as pool:
        slow.callback(stop.set)
        for _ in range(20):
            pool.submit(
                trickle, slow.enter_context(socket.create_connection(("127.0.0.1", dashboard.port), timeout=30))
            )
        answers = list(pool.map(ask, range(50)))
        stop.set()
    assert [status for status, _ in answers] == [200] * 50
    assert max(seconds for _, seconds in answers) < 1.0


@contextmanager
def listening(application: Application) -> Iterator[int]:
    """The port of a server in this process."""
    with DashboardServer("127.0.0.1", 0, application) as server:
        yield server.server_port


def test_a_request_that_trickles_in_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit between two bytes would never end it."""
    monkeypatch.setattr(channels, "REQUEST_SECONDS", 0.5)

    def unasked(_: Any, __: Any) -> Iterable[bytes]:
        raise AssertionError("the request never ended")

    with listening(unasked) as port, socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        begun = time.monotonic()
        connection.settimeout(0.05)
        while time.monotonic() - begun < 20:
            try:
                connection.sendall(b"G")
                if connection.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        assert time.monotonic() - begun < 10


def test_who_is_still_sending_too_much_reads_why_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "GOODBYE_SECONDS", 30.0)
    size = 2**25  # more than the buffers of both sides hold

    def unasked(_: Any, __: Any) -> Iterable[bytes]:
        raise AssertionError("too much was accepted")

    with listening(unasked) as port:
        request = f"POST / HTTP/1.1\nHost: localhost\nContent-Length: {size}\n\n{'x' * size}"
        status, headers, _ = send(port, request)
    assert (status, headers["connection"]) == (413, "close")


def has_connection(port: int, client: socket.socket) -> bool:
    """Return whether the server of this process has its end of a client's connection still open."""
    return any(
        found.laddr.port == port and found.raddr and tuple(found.raddr) == client.getsockname()
        for found in psutil.Process().net_connections("tcp")
    )


def test_an_answer_that_nobody_takes_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "RESPONSE_SECONDS", 0.5)
    content, asked = b"x" * 2**25, threading.Event()  # more than the buffers of both sides hold

    def answer(_: Any, start_response: Any) -> Iterable[bytes]:
        asked.set()
        start_response("200 OK", [("Content-Length", str(len(content)))])
        return [content]

    with listening(answer) as port, socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        until(lambda: asked.is_set() and not has_connection(port, connection), "the server to give it up")
        taken = 0
        with suppress(ConnectionResetError):
            while block := connection.recv(2**20):
                taken += len(block)
        assert 0 < taken < len(content)


class Blocking:
    """An application whose plots are not done until it is told so."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.lock = threading.Lock()
        self.present = self.most = 0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/api/studies":
            with self.lock:
                self.present += 1
                self.most = max(self.most, self.present)
            assert self.done.wait(30)
            with self.lock:
                self.present -= 1
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", "2")])
        return [b"{}"]


def test_where_all_connections_are_at_work_a_further_one_is_closed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "MOST_CONNECTIONS", 2)
    blocking = Blocking()
    with listening(blocking) as port, ThreadPoolExecutor(2) as pool:
        busy = [pool.submit(send, port, "GET /plot/ HTTP/1.1\nHost: localhost\n\n") for _ in range(2)]
        until(lambda: blocking.present == 2, "two requests at work")
        with socket.create_connection(("127.0.0.1", port), timeout=channels.REQUEST_SECONDS / 2) as further:
            assert further.recv(1) == b""
        blocking.done.set()
        assert [answer.result()[0] for answer in busy] == [200, 200]


class Everything:
    """A storage that has every study and trial, and no numbers."""

    def has_study(self, study_id: int) -> bool:
        return True

    def has_trial(self, study_id: int, trial_id: int) -> bool:
        return True

    def answers(self) -> bool:
        return True

    def count_studies(self) -> list[StudyNumbers]:
        return []


@pytest.mark.parametrize("costly", ["/api/studies/1/plot/contour", "/artifacts/1/03-1"])
def test_one_visitor_cannot_take_the_machine_with_plots(costly: str) -> None:
    blocking = Blocking()
    routes = Routes(catalogue=Everything(), writable=False)
    guard = DashboardGuard(blocking, routes, probed=Everything(), secret=None, hosts=None)

    def ask(path: str) -> tuple[int, bytes]:
        status, _, body = send(port, f"GET {path} HTTP/1.1\nHost: localhost\n\n")
        return status, body

    with listening(guard) as port, ThreadPoolExecutor(20) as pool:
        plots = [pool.submit(ask, costly) for _ in range(20)]
        while sum(plot.done() for plot in plots) < 12:  # those that are not even queued
            assert ask("/api/studies")[0] == 200
        blocking.done.set()
        answers = [plot.result() for plot in plots]
    assert blocking.most == MOST_COMPUTING
    assert sorted(status for status, _ in answers) == [200] * 8 + [503] * 12
    assert all("plots at once" in json.loads(body)["reason"] for status, body in answers if status == 503)
