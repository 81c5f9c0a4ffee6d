"""Fixtures for every test: a real Postgres for the session, a fresh database for each test that asks for one.

Nothing here imports torch, and no test sees the developer's own data or servers.
"""

import gc
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import sqlalchemy

from storage import url
from storage.database import open_database
from storage.embedded import roles
from storage.embedded.binaries import find_unprivileged_account
from storage.embedded.cluster import Cluster
from storage.embedded.server import EmbeddedServer

# Threads that wait for one another by spinning take the cores from the other tests: half of a training's time.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Until all is imported: what is collected on the way is never garbage, and looking at it took 3 s.
gc.disable()

ADMINISTRATOR, PASSWORD = "administrator", secrets.token_hex(12)
PRIVATE = ("SEARCH_STORAGE", "OPTUNA_STORAGE", "SEARCH_DATA", "SEARCH_CONFIG")


LEFT_OUT = pytest.StashKey[int]()


def pytest_xdist_auto_num_workers() -> int:
    """Return one process more than there are cores: tests wait, for processes, servers and clocks."""
    return 1 + (len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that at the end no process waits for another one's long file."""
    weights = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -weights[item.path])


def pytest_collection_finish() -> None:
    """Collect garbage from here on."""
    gc.enable()


@pytest.fixture(autouse=True, scope="module")
def frozen() -> None:
    """Let collections pass over what is imported and what earlier files left: every training collects first."""
    gc.collect()
    gc.freeze()


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Count the long tests that are left out."""
    count = len([item for item in items if item.get_closest_marker("long")])
    for item in items[:1]:
        item.config.stash[LEFT_OUT] = item.config.stash.get(LEFT_OUT, 0) + count


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the process that reports what this one has left out; all of them leave out the same."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = session.config.stash.get(LEFT_OUT, 0)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Hear from a process what it has left out."""
    node.config.stash[LEFT_OUT] = getattr(node, "workeroutput", {}).get("left_out", 0)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what was left out or skipped, and how to run it."""
    reasons = Counter(
        str(report.longrepr[2]).removeprefix("Skipped: ") for report in terminalreporter.getreports("skipped")
    )
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"skipped {count}: {reason}")
    if count := config.stash.get(LEFT_OUT, 0):
        terminalreporter.write_line(f"left out {count} long tests; run them with: pytest -m long")


def choose_place() -> str:
    """Return a folder in memory if there is one with space for servers: on a disk, a database's files take 0.2 s."""
    memory = Path("/dev/shm")
    if memory.exists() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 4 * 2**30:
        return str(memory) if not os.statvfs(memory).f_flag & os.ST_NOEXEC else "/tmp"
    return "/tmp"


@contextmanager
def open_folder() -> Iterator[Path]:
    """Yield a new folder that any user may enter, which pytest's own are not; stop the server left in it."""
    folder = Path(tempfile.mkdtemp(prefix="search-", dir=choose_place()))
    folder.chmod(0o755)
    with removed(folder):
        yield folder


@contextmanager
def removed(folder: Path) -> Iterator[None]:
    """Remove a folder afterwards, if it exists then, and stop the server left in it."""
    try:
        yield
        if (folder / "postgres").exists():
            EmbeddedServer(folder).stop(force=True)
    finally:
        if folder.exists():
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def homes() -> Iterator[Path]:
    """Yield the folder of the tests' homes."""
    with open_folder() as folder:
        yield folder


@pytest.fixture(autouse=True)
def own_home(monkeypatch: pytest.MonkeyPatch, homes: Path) -> Iterator[Path]:
    """Give each test a home of its own, which is SEARCH_HOME and is made by who uses it."""
    folder = homes / secrets.token_hex(4)
    use_home(monkeypatch, folder)
    with removed(folder):
        yield folder


@pytest.fixture
def home(own_home: Path) -> Path:
    """The test's own home, an empty folder."""
    own_home.mkdir()
    return own_home


@pytest.fixture(scope="session")
def made_server() -> Iterator[Path]:
    """The folder of an embedded server that has been made, which takes a second, and stopped; nothing may change it."""
    with open_folder() as folder:
        with EmbeddedServer(folder):
            pass
        yield folder / "postgres"


@pytest.fixture
def used_home(home: Path, made_server: Path) -> Path:
    """The test's own home, with an embedded server that has been used before."""
    copy_folder(made_server, home)
    return home


def copy_folder(source: Path, place: Path) -> None:
    """Copy a folder into another one; the files keep their owners."""
    subprocess.run(["cp", "-a", source, place], check=True)


@pytest.fixture(scope="module")
def shared_home() -> Iterator[Path]:
    """The home of a whole file, for tests that build on one another: the file makes it `home`, by `use_home`."""
    with open_folder() as folder:
        yield folder


def use_home(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Make a folder the home, and hide the developer's own storage, data and settings."""
    monkeypatch.setenv("SEARCH_HOME", str(folder))
    monkeypatch.setenv("SEARCH_CACHE", str(folder / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
    for name in PRIVATE:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def server(made_server: Path) -> Iterator[str]:
    """Run one embedded server for the whole session; its URL names the database `search`."""
    with open_folder() as folder:
        copy_folder(made_server, folder)
        embedded = EmbeddedServer(folder)
        # Only the machine's own death could lose what is written this way; tests kill processes and other servers.
        settings = [f"ALTER SYSTEM SET {name} = off" for name in ("fsync", "full_page_writes", "synchronous_commit")]
        # Tests make databases and roles; the commands that they test connect as the same role without other rights.
        rights = ["ALTER ROLE search CREATEDB", f"CREATE ROLE {ADMINISTRATOR} SUPERUSER LOGIN PASSWORD '{PASSWORD}'"]
        as_superuser(folder, *settings, *rights)
        address = embedded.acquire()
        hasten_logins(address)
        yield address
        embedded.release()


def hasten_logins(address: str) -> None:
    """Hash the role's password once instead of 4,096 times, which is half of what a connection takes."""
    location = sqlalchemy.make_url(address)
    lines = [line.split(":") for line in Path(str(location.query["passfile"])).read_text().splitlines()]
    [password] = [password for *_, user, password in lines if user == location.username]
    execute(address, f"SET scram_iterations = 1; ALTER ROLE CURRENT_USER PASSWORD '{password}'")


def as_superuser(home: Path, *statements: str, database: str = "postgres") -> None:
    """Run statements as the superuser of a home's embedded server, which must be down."""
    cluster = Cluster(folder=home / "postgres", account=find_unprivileged_account())
    finished = roles.work_alone(cluster, statements, database=database)
    assert finished.returncode == 0, finished.stderr


def as_administrator(address: str) -> str:
    """Return the URL of the same database for a superuser, whom only the tests' own server has."""
    location = sqlalchemy.make_url(address).set(username=ADMINISTRATOR, password=PASSWORD, query={})
    return location.render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def template(server: str) -> str:
    """Make the database that the tests' own are copied from, with all tables in it; return its name."""
    execute(server, "CREATE DATABASE template_tables")
    with open_database(url.parse(at(server, "template_tables"))):
        return "template_tables"


@contextmanager
def copied(server: str, template: str) -> Iterator[str]:
    """Copy a database, yield the copy's URL, and drop it afterwards even if somebody is still connected."""
    name = f"test_{secrets.token_hex(6)}"
    execute(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield at(server, name)
    finally:
        execute(as_administrator(server), f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database_url(server: str, template: str) -> Iterator[str]:
    """Make a fresh database with Optuna's tables and ours."""
    with copied(server, template) as address:
        yield address


@pytest.fixture
def empty_database_url(server: str) -> Iterator[str]:
    """Make a database without any table, and drop it afterwards."""
    name = f"empty_{secrets.token_hex(6)}"
    execute(server, f"CREATE DATABASE {name}")
    yield at(server, name)
    execute(as_administrator(server), f"DROP DATABASE {name} WITH (FORCE)")


def at(address: str, database: str) -> str:
    """Return the URL of another database on the same server."""
    return sqlalchemy.make_url(address).set(database=database).render_as_string(hide_password=False)


def execute(url: str, statement: str) -> list[tuple[object, ...]]:
    """Run one statement outside a transaction and return its rows."""
    location = sqlalchemy.make_url(url)
    _, options = location.get_dialect()().create_connect_args(location)
    connection = psycopg2.connect(**options)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """Mount a real disk of `size` bytes over a folder, which is created if it is missing; only root can mount one."""
    if os.geteuid() != 0 or sys.platform != "linux":
        pytest.skip("only root on Linux can mount a small disk")
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"cannot mount a small disk here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
