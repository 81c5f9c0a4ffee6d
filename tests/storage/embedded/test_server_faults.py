"""What befalls the embedded server: kill -9, taken ports and process numbers, spoilt folders, other machines."""

import fcntl
import os
import signal
import socket
import stat
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from storage.embedded.server import EmbeddedServer
from storage.errors import EmbeddedServerError
from tests.conftest import execute
from tests.storage.processes import kill_server, server_user, using


def test_a_killed_user_leaves_no_trace(used_home: Path) -> None:
    server = EmbeddedServer(used_home)
    with using(used_home) as (user, url):
        user.kill()
        user.wait()
    status = server.status()
    assert (status.running, status.users) == (True, 0)

    with server as joined:
        assert joined == url
        assert server.status().pid == status.pid
    assert not server.status().running


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_a_program_started_meanwhile_holds_no_lock(used_home: Path) -> None:
    server = EmbeddedServer(used_home)
    server.acquire()
    with subprocess.Popen("cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, close_fds=False) as child:
        try:
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.write(b"?")
            assert child.stdout.read(1) == b"?"  # it has opened and closed what it needs to start
            held = {os.readlink(link) for link in Path(f"/proc/{child.pid}/fd").glob("*")}
        finally:
            child.kill()
    server.release()
    assert not [path for path in held if path.endswith(".lock")]


def test_a_killed_postmaster_is_started_again_with_its_data(used_home: Path) -> None:
    server = EmbeddedServer(used_home)
    with server as url:
        execute(url, "CREATE TABLE kept AS SELECT 42 AS answer")
        kill_server(server)
        with EmbeddedServer(used_home) as again:
            assert again == url
            assert execute(url, "SELECT answer FROM kept") == [(42,)]
        assert server.status().running
    assert not server.status().running


def test_a_process_number_that_now_is_somebody_elses_is_not_taken_for_the_server(used_home: Path) -> None:
    server = EmbeddedServer(used_home)
    with server as url:
        execute(url, "CREATE TABLE kept AS SELECT 42 AS answer")
        kill_server(server)
    file = used_home / "postgres" / "data" / "postmaster.pid"
    user = server_user() if os.geteuid() == 0 else None
    with subprocess.Popen(["sleep", "60"], user=user) as bystander:
        _, *rest = file.read_text().splitlines(keepends=True)
        file.write_text("".join([f"{bystander.pid}\n", *rest]))
        with EmbeddedServer(used_home) as again:
            assert execute(again, "SELECT answer FROM kept") == [(42,)]
        assert bystander.poll() is None
        bystander.kill()


def test_a_port_that_another_program_took_is_left_to_it(used_home: Path) -> None:
    server = EmbeddedServer(used_home)
    with server as url:
        execute(url, "CREATE TABLE kept AS SELECT 42 AS answer")
        port = server.status().port
        assert port is not None
        kill_server(server)
        with stranger(port), EmbeddedServer(used_home) as again:
            assert again != url
            assert execute(again, "SELECT answer FROM kept") == [(42,)]


@contextmanager
def stranger(port: int) -> Iterator[None]:
    """Hold a port with a program that asks each client for its password in the clear."""
    heard: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                client.recv(1000)
                client.sendall(b"R\x00\x00\x00\x08\x00\x00\x00\x03")
                heard.append(client.recv(1000))

    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
        thread = threading.Thread(target=serve, args=[listener])
        thread.start()
        yield
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()
    assert heard
    assert not any(heard), "the password was told to a stranger"


def test_an_interrupted_first_start_is_begun_again(home: Path) -> None:
    folder = home / "postgres"
    (folder / "data.partial" / "base").mkdir(parents=True)
    (folder / "password.partial").write_text("old")
    (folder / "pgpass").write_text("old")
    folder.chmod(0o711)

    with EmbeddedServer(home) as url:
        assert execute(url, "SELECT 1") == [(1,)]
    assert not list(folder.glob("*.partial"))


def test_data_of_another_major_version_are_left_alone(used_home: Path) -> None:
    (used_home / "postgres" / "data" / "PG_VERSION").write_text("16\n")

    with pytest.raises(EmbeddedServerError, match=r"made by Postgres 16, but Postgres 18"):
        EmbeddedServer(used_home).acquire()
    (used_home / "postgres" / "data" / "PG_VERSION").write_text("18\n")


@pytest.mark.parametrize("content", [None, "", "127.0.0.1:*:*:search:wrong\n"])
def test_lost_passwords_are_replaced_and_no_study_is_lost(used_home: Path, content: str | None) -> None:
    with EmbeddedServer(used_home) as url:
        execute(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    pgpass = used_home / "postgres" / "pgpass"
    pgpass.unlink()
    if content is not None:
        pgpass.write_text(content)
        pgpass.chmod(0o600)

    with EmbeddedServer(used_home) as again:
        assert execute(again, "SELECT answer FROM kept") == [(42,)]
    assert not (used_home / "postgres" / "data" / "postmaster.pid").exists()


def test_passwords_lost_while_the_server_runs_are_told_at_once(used_home: Path) -> None:
    server = EmbeddedServer(used_home)
    server.start_detached()
    pid = server.status().pid
    assert pid is not None
    (used_home / "postgres" / "pgpass").unlink()
    with pytest.raises(EmbeddedServerError, match=rf"pgpass are gone; end it with `kill -INT {pid}`"):
        server.acquire()
    os.kill(pid, signal.SIGINT)
    with server as url:
        assert execute(url, "SELECT 1") == [(1,)]


def test_passwords_that_others_can_read_are_refused_with_the_remedy(used_home: Path) -> None:
    (used_home / "postgres" / "pgpass").chmod(0o644)
    with pytest.raises(EmbeddedServerError, match=rf"mode is 644; run `chmod 600 {used_home}/postgres/pgpass`"):
        EmbeddedServer(used_home).acquire()
    (used_home / "postgres" / "pgpass").chmod(0o600)


def test_a_data_folder_that_was_opened_is_closed_again(used_home: Path) -> None:
    data = used_home / "postgres" / "data"
    data.chmod(0o755)
    with EmbeddedServer(used_home) as url:
        assert execute(url, "SELECT 1") == [(1,)]
    assert stat.S_IMODE(data.stat().st_mode) == 0o700


def test_a_server_that_does_not_start_shows_its_log(used_home: Path) -> None:
    (used_home / "postgres" / "data" / "postgresql.auto.conf").write_text("no_such_setting = 1\n")

    with pytest.raises(EmbeddedServerError, match=r"SEARCH_HOME(.|\n)*no_such_setting"):
        EmbeddedServer(used_home).acquire()


def test_a_home_in_use_on_another_machine_is_refused(used_home: Path) -> None:
    with (used_home / "postgres" / "server.lock").open("w") as elsewhere:
        fcntl.flock(elsewhere, fcntl.LOCK_EX)
        elsewhere.write("node7 pid:[1]")
        elsewhere.flush()
        with pytest.raises(EmbeddedServerError, match=r"another machine or container \(node7\)"):
            EmbeddedServer(used_home).acquire()
