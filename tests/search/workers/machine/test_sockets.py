"""Where the sockets of processes lie, if the folder for temporary files cannot hold them."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from search.errors import SearchError
from search.workers.machine import sockets
from search.workers.machine.sockets import LONGEST, find_socket_folder


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Python look for the folder again, as a new process does."""
    monkeypatch.setattr(tempfile, "tempdir", None)


def test_a_folder_that_is_missing_is_replaced_by_a_usual_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "gone"))
    assert find_socket_folder() == tempfile.gettempdir() == "/tmp"


def test_a_long_path_without_a_usual_folder_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("x" * LONGEST)
    long.mkdir()
    monkeypatch.setenv("TMPDIR", str(long))
    assert find_socket_folder() == "/tmp"
    monkeypatch.setattr(sockets, "_SHORT", (str(tmp_path / "gone"),))
    with pytest.raises(SearchError, match=f"has a path of {len(str(long))} bytes, .* set TMPDIR to a folder with a"):
        find_socket_folder()


def test_no_folder_that_can_be_written_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = str(tmp_path / "gone")
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [gone])
    with pytest.raises(SearchError, match=r"no folder for temporary files can be written .* set TMPDIR to one that"):
        find_socket_folder()
