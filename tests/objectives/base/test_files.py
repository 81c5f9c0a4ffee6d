"""Files that are written whole or not at all."""

from pathlib import Path

import pytest

from objectives.base.files import write_whole


def test_the_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "file.bin"
    with write_whole(path) as file:
        file.write(b"one")
        assert not path.exists()
    assert path.read_bytes() == b"one"
    with write_whole(path) as file:
        file.write(b"other")
        assert path.read_bytes() == b"one"
    assert path.read_bytes() == b"other"
    assert list(path.parent.iterdir()) == [path]


def _write_half(path: Path) -> None:
    with write_whole(path) as file:
        file.write(b"half of the n")
        raise OSError("no more")


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")
    with pytest.raises(OSError, match="no more"):
        _write_half(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
