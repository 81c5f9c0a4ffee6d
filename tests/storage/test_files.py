"""Files are written whole or not at all, with the permissions asked for, and leave nothing beside them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from storage.files import PRIVATE, replace_file, write_file
from tests.conftest import small_disk


def test_a_file_is_replaced_and_nothing_lies_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_file(path, b"old")
    write_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_nobody_else_can_read_a_private_file_at_any_moment(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.touch(mode=0o644)
    with replace_file(path, mode=PRIVATE) as partial:
        assert stat.S_IMODE(partial.stat().st_mode) == 0o600
        partial.write_bytes(b"secret")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("kind", ["pipe", "link to a pipe", "link to an open file", "folder"])
def test_what_is_no_file_is_never_replaced(kind: str, tmp_path: Path) -> None:
    path, pipe, file = tmp_path / "out", tmp_path / "pipe", tmp_path / "file"
    os.mkfifo(pipe)
    with file.open("w") as opened:
        if kind == "folder":
            path.mkdir()
        else:
            path.symlink_to(pipe if kind == "link to a pipe" else f"/proc/self/fd/{opened.fileno()}")
        if kind == "pipe":
            path = pipe
        before = path.lstat()
        with pytest.raises(OSError, match="what is there is no file"):
            write_file(path, b"new")
    assert path.lstat() == before
    assert {each.name for each in tmp_path.iterdir()} == {"out", "pipe", "file"}


def test_other_files_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_file(tmp_path / "shared", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "shared").stat().st_mode) == 0o640


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_what_fails_in_the_middle_leaves_the_old_file(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def write_half() -> None:
        with replace_file(path) as partial:
            partial.write_bytes(b"half")
            raise error

    with pytest.raises(error):
        write_half()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 64 * 1024) as disk:
        path = disk / "a"
        write_file(path, b"old")
        with pytest.raises(OSError, match="No space left"):
            write_file(path, bytes(10**6))
        assert path.read_bytes() == b"old"
        assert list(disk.iterdir()) == [path]


def test_a_long_name_has_room_for_the_part(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 255)
    write_file(path, b"long")
    assert path.read_bytes() == b"long"
