"""The embedded server under several real processes: who starts it, who stops it, who is let in."""

import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg2
import psycopg2.extensions
import pytest
import sqlalchemy
import sqlalchemy.dialects.postgresql.psycopg2

from storage.embedded.server import EmbeddedServer
from storage.errors import EmbeddedServerError
from tests.conftest import execute
from tests.storage.processes import ROOT, USER, start_user, using


def test_looking_creates_nothing(home: Path) -> None:
    server = EmbeddedServer(home / "new")

    status = server.status()

    assert not server.is_initialized
    assert (status.running, status.kept, status.port, status.pid, status.version) == (
        False,
        False,
        None,
        None,
        None,
    )
    assert status.size_bytes == 0
    assert not server.stop()
    assert list(home.iterdir()) == [home / "new"]


def test_data_survive_a_stop_and_the_url_stays(used_home: Path) -> None:
    server = EmbeddedServer(used_home)
    with server as first:
        execute(first, "CREATE TABLE kept AS SELECT 42 AS answer")
        status = server.status()
    assert status.running
    assert status.users == 1
    assert status.version is not None
    assert status.version.startswith("18.")
    assert status.size_bytes > 10_000_000
    stopped = server.status()
    assert (stopped.running, stopped.port, stopped.pid, stopped.version) == (False, None, None, "18")

    with EmbeddedServer(used_home) as second:
        assert execute(second, "SELECT answer FROM kept") == [(42,)]
    assert second == first


def test_settings_are_durable_and_portable(used_home: Path) -> None:
    with EmbeddedServer(used_home) as url:
        rows = execute(url, "SELECT name, setting FROM pg_settings")
        settings = {str(name): setting for name, setting in rows}
        assert execute(url, "SELECT datcollate, datlocale FROM pg_database WHERE datname = 'search'") == [
            ("C", "C.UTF-8")
        ]
    assert settings["fsync"] == settings["synchronous_commit"] == settings["full_page_writes"] == "on"
    assert (settings["TimeZone"], settings["server_encoding"]) == ("UTC", "UTF8")
    assert settings["listen_addresses"] == "127.0.0.1"
    assert "--unix_socket_directories=\n" in (used_home / "postgres" / "data" / "postmaster.opts").read_text().replace(
        '" "', "\n"
    )


def test_one_process_may_acquire_several_times(used_home: Path) -> None:
    server = EmbeddedServer(used_home)
    assert server.acquire() == server.acquire()
    server.release()
    assert server.status().running
    server.release()
    assert not server.status().running


def test_racing_processes_get_one_server_and_the_last_stops_it(home: Path) -> None:
    users = [start_user(home) for _ in range(4)]
    urls = {user.stdout.readline() for user in users if user.stdout}
    server = EmbeddedServer(home)
    assert len(urls) == 1
    assert next(iter(urls)).startswith("postgresql+psycopg2://search@127.0.0.1:")
    assert server.status().users == 4

    for user in users[:3]:
        user.communicate()
    assert server.status().running
    users[3].communicate()
    assert not server.status().running
    assert [user.returncode for user in users] == [0] * 4


def test_wrong_and_missing_passwords_are_refused(used_home: Path) -> None:
    server = EmbeddedServer(used_home)
    with server:
        port = server.status().port
        for password in ("wrong", ""):
            with pytest.raises(psycopg2.OperationalError, match="password"):
                psycopg2.connect(
                    host="127.0.0.1",
                    port=port,
                    user="search",
                    dbname="search",
                    password=password,
                    passfile=os.devnull,
                )


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc")
def test_the_passwords_stand_in_one_private_file_only(home: Path) -> None:
    seen: set[bytes] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            seen.update(_public_words())

    callback = threading.Thread(target=watch)
    callback.start()
    server = EmbeddedServer(home)
    url = server.acquire()
    done.set()
    callback.join()
    pgpass = home / "postgres" / "pgpass"
    passwords = [line.rpartition(":")[2] for line in pgpass.read_text().splitlines()]
    files = {path: _text(path) for path in (home / "postgres").rglob("*") if path.is_file()}
    server.release()

    assert len(passwords) == 2
    assert any(b"initdb" in words for words in seen)
    for password in passwords:
        assert len(password) > 30
        assert not any(password.encode() in words for words in seen)
        assert password not in url
        assert [path for path, text in files.items() if password in text] == [pgpass]
    assert stat.S_IMODE(pgpass.stat().st_mode) == 0o600
    assert pgpass.stat().st_uid == os.geteuid()


def _public_words() -> Iterator[bytes]:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            yield (process / "cmdline").read_bytes()
        except OSError:
            continue


def _text(path: Path) -> str:
    return path.read_text(errors="replace")


def test_a_detached_server_stays_until_it_is_stopped(used_home: Path) -> None:
    # The pipe must end with the command although the server keeps running: `search storage start | cat`.
    finished = subprocess.run(
        [sys.executable, "-c", USER, str(used_home), "start_detached", "0"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
    )
    server = EmbeddedServer(used_home)
    assert finished.returncode == 0, finished.stderr
    with server as url:
        assert url == finished.stdout.strip()
    assert (server.status().running, server.status().kept, server.status().users) == (True, True, 0)

    assert server.stop()
    assert (server.status().running, server.status().kept) == (False, False)
    assert not server.stop()
    with server:
        pass
    assert not server.status().running


def test_a_server_in_use_is_stopped_by_force_only(used_home: Path) -> None:
    server = EmbeddedServer(used_home)
    with using(used_home):
        with pytest.raises(EmbeddedServerError, match="wait until they end, or end them"):
            server.stop()
        with server, pytest.raises(EmbeddedServerError, match="wait until they end, or end them"):
            server.stop()
        assert server.status().running
        assert server.stop(force=True)
        assert not server.status().running
    with server:
        assert server.stop()


def test_ctrl_c_at_the_terminal_does_not_reach_the_server(used_home: Path) -> None:
    server = EmbeddedServer(used_home)
    with using(used_home, "start_detached") as (user, _):
        pid = server.status().pid
        assert pid is not None
        assert os.getsid(pid) != os.getsid(user.pid)
        os.killpg(user.pid, signal.SIGINT)
    assert server.status().running


def test_the_url_holds_what_sqlalchemy_needs(used_home: Path) -> None:
    with EmbeddedServer(used_home) as url:
        engine = sqlalchemy.create_engine(url)
        with ExitStack() as stack:
            stack.callback(engine.dispose)
            connection = stack.enter_context(engine.connect())
            assert connection.scalar(sqlalchemy.text("SELECT current_database()")) == "search"
