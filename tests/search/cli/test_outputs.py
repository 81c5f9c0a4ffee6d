"""Outputs that are closed, full or not read any longer, and Ctrl-C before the program has begun."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tests.search.command import search

SEARCH = [sys.executable, "-P", "-m", "search"]
COMMANDS = [["--help"], ["data", "--json"]]


def test_no_command_shows_the_help() -> None:
    ended = search()
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("Usage: ")
    assert "\n  run " in ended.err


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_a_closed_output(closed: str) -> None:
    ended = subprocess.run(
        ["sh", "-c", f'"$@" {closed}', "sh", *SEARCH, "--help"], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ("Usage" in ended.stdout) == (closed == "2>&-")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk(command: list[str], unbuffered: str) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            [*SEARCH, *command], stdout=full, stderr=subprocess.PIPE, env=environment, text=True, check=False
        )
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: there is no room to write (No space left on device); ")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_nobody_reads(command: list[str], unbuffered: str) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [*SEARCH, *command], stdout=writing, stderr=subprocess.PIPE, env=environment, text=True, check=False
    )
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_ctrl_c_while_the_program_is_imported(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    # What a shell starts in the background ignores SIGINT: these tests, too, perhaps.
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    ended = subprocess.run(SEARCH, capture_output=True, text=True, env=environment, preexec_fn=heed, check=False)
    assert (ended.returncode, ended.stderr) == (-signal.SIGINT, "")


BROKEN = """
import sys

from search.cli.error_handling import run_guarded


def fail(**_):
    raise BrokenPipeError


sys.exit(run_guarded(fail))
"""


def test_a_pipe_between_processes_breaks() -> None:
    ended = subprocess.run([sys.executable, "-c", BROKEN], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: BrokenPipeError")
