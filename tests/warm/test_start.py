"""A command that starts warm is a process like one that starts cold."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.search.command import kill_group, search, start
from tests.warm.client import WarmProcess


@pytest.mark.parametrize("arguments", [("--help",), ("serach",), ("status", "--study", "zzz"), ("list", "--json")])
def test_it_answers_as_a_cold_one(arguments: tuple[str, ...], database_url: str) -> None:
    warm, cold = (search(*arguments, env={"SEARCH_STORAGE": database_url}, cold=cold) for cold in (False, True))
    assert warm == cold
    assert warm.out or warm.err


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_it_leads_a_session_in_its_folder_and_is_killed(database_url: str, tmp_path: Path) -> None:
    process = start("dashboard", "--port", "0", cwd=tmp_path, env={"SEARCH_STORAGE": database_url})
    assert isinstance(process, WarmProcess)
    assert process.stdout is not None
    assert "http://" in process.stdout.readline()
    assert os.getsid(process.pid) == process.pid != os.getsid(0)
    assert Path(f"/proc/{process.pid}/cwd").resolve() == tmp_path.resolve()
    assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.communicate(timeout=0.1)
    kill_group(process)
    process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL


def test_what_is_read_at_the_start_of_an_interpreter_makes_it_cold() -> None:
    with start("--help", env={"PYTHONOPTIMIZE": "1"}) as process:
        assert isinstance(process, subprocess.Popen)
        process.communicate()
    assert process.returncode == 0
