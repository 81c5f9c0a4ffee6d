"""Hiding as an ordinary user does it, and what a hidden process can still do; `test_seal` tries the ways to a file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import open_folder

USER = 54321

# Hides what is named, as an ordinary user, and tells what came of it; the user of the folder may be another one.
PROGRAM = """
import ctypes, json, os, subprocess, sys
sys.path.insert(0, sys.argv[1])
from objectives.data import hiding
folder, user = sys.argv[2], int(sys.argv[3])
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # as after the start of a program: /proc/self belongs to the user
os.chdir(folder)
before = sorted(os.listdir("/tmp"))
found = {"obstacle": hiding.hide([f"{folder}/test", f"{folder}/t10k"])}
for file in ("test/a.png", "t10k", "train/b.png"):
    ended = subprocess.run(["cat", file], capture_output=True, text=True)
    found[file] = ended.stdout or ended.stderr
with open("train/new", "w") as file:
    file.write("written")
os.mkdir("kept")
found["user"] = [os.getuid(), os.getgid(), os.stat("kept").st_uid]
with open("/proc/self/status") as file:
    found["rights"] = [line.split()[1] for line in file if line.startswith(("CapP", "CapE", "CapB", "NoNewP"))]
found["left"] = [name for name in os.listdir("/tmp") if name.startswith("depthsearch-") and name not in before]
print(json.dumps(found))
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that an ordinary user owns, with a test folder, a test file and a training file."""
    with open_folder() as folder:
        for name in ("test/a.png", "t10k", "train/b.png"):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(f"content of {name}")
        if os.geteuid() == 0:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, USER, USER)
        yield folder


def test_an_ordinary_user_hides_test_files_and_goes_on_as_before(folder: Path) -> None:
    root = str(Path(__file__).parents[3])
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, root, str(folder), str(USER)], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    if found["obstacle"] is not None:
        pytest.skip(f"an ordinary user cannot hide files here: {found['obstacle']}")
    assert found["test/a.png"] == "cat: test/a.png: Permission denied\n"
    assert found["t10k"] == "cat: t10k: Permission denied\n"
    assert found["train/b.png"] == "content of train/b.png"
    user, group = (USER, USER) if os.geteuid() == 0 else (os.getuid(), os.getgid())
    assert found["user"] == [user, group, user]
    assert found["rights"] == ["0" * 16] * 3 + ["1"]
    assert found["left"] == []
    # Nothing of this shows outside.
    assert (folder / "test" / "a.png").read_text() == "content of test/a.png"
    assert (folder / "train" / "new").read_text() == "written"


def test_a_process_with_threads_is_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "t10k"
    file.write_text("content")
    program = (
        "import sys, threading; sys.path.insert(0, sys.argv[1]); from objectives.data.hiding import hide; "
        "threading.Thread(target=threading.Event().wait, daemon=True).start(); "
        "print(hide([sys.argv[2]]), open(sys.argv[2]).read())"
    )
    root = str(Path(__file__).parents[3])
    told = subprocess.run([sys.executable, "-c", program, root, str(file)], capture_output=True, text=True, check=True)
    expected = "the process has threads already" if sys.platform == "linux" else "this system is not Linux"
    assert told.stdout == f"{expected} content\n"


def test_a_refusal_of_the_kernel_is_told() -> None:
    """Root that has hidden files may not mount any more; an ordinary user may, in further namespaces."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from objectives.data.hiding import hide; "
        "print(hide([])); print(hide([]))"
    )
    root = str(Path(__file__).parents[3])
    told = subprocess.run([sys.executable, "-c", program, root], capture_output=True, text=True, check=True)
    first, second = told.stdout.splitlines()
    if first != "None" or os.geteuid() != 0:
        pytest.skip(f"files cannot be hidden here, or not by root: {first}")
    assert second == "the kernel refuses: unshare: Operation not permitted"
