"""MPS for a run: started in a folder of its own, used only if it works, ended with the run. The service is a script."""

import multiprocessing
import os
import signal
import subprocess
import sys
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from search.workers.machine import cuda_probe
from search.workers.machine.gpu_sharing import LOGS, PIPES, PROGRAM, find_obstacle, keep_service
from tests.search.command import until

SERVICE = """#!/bin/sh
if [ "$1" = -f ]; then
  echo $$ > "$CUDA_MPS_PIPE_DIRECTORY/control"; echo $$ > "$NOTE"
  while [ ! -e "$CUDA_MPS_PIPE_DIRECTORY/quit" ]; do sleep 0.05; done
else
  read word rest; [ "$word" = quit ] && touch "$CUDA_MPS_PIPE_DIRECTORY/quit"
fi
"""
RUN = """
import multiprocessing, sys
from search.workers.machine.gpu_sharing import share_gpus

with share_gpus(multiprocessing.get_context("forkserver"), lambda process: process.start()) as environment:
    print(environment, flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the service writes its process id; it is on the PATH."""
    program = tmp_path / "bin" / PROGRAM
    program.parent.mkdir()
    program.write_text(SERVICE)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("NOTE", str(tmp_path / "note"))
    monkeypatch.setenv("TMPDIR", "/tmp")
    monkeypatch.delenv(PIPES, raising=False)
    return tmp_path / "note"


def is_gone(process_id: int) -> bool:
    return not Path(f"/proc/{process_id}/cmdline").exists() or not Path(f"/proc/{process_id}/cmdline").read_bytes()


def keep(sender: Connection, probe: str) -> None:
    """Keep the service, whose test is this program."""
    cuda_probe.__file__ = probe
    keep_service(sender)


@pytest.mark.parametrize("works", [True, False])
def test_it_is_used_if_a_process_can_use_the_gpu_through_it(note: Path, tmp_path: Path, works: bool) -> None:
    probe = tmp_path / "probe.py"
    probe.write_text(f"import os, sys; sys.exit(not {works} or '{PIPES}' not in os.environ)")
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=keep, args=(sender, str(probe)))
    process.start()
    try:
        environment = receiver.recv()
    finally:
        process.terminate()
        process.join(30)
    assert process.exitcode == 0
    assert environment.keys() == ({PIPES, LOGS} if works else set())
    assert not works or not Path(environment[PIPES]).exists()
    assert is_gone(int(note.read_text()))


@pytest.mark.parametrize("killed", [False, True])
def test_it_ends_with_the_run_even_if_that_is_killed(note: Path, killed: bool) -> None:
    with subprocess.Popen([sys.executable, "-c", RUN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdin is not None
        assert run.stdout is not None
        told = run.stdout.readline()
        assert told == "{}\n" or Path("/dev/nvidiactl").exists(), "without a GPU behind it, no service is used"
        service = int(note.read_text())
        assert not is_gone(service)
        if killed:
            run.send_signal(signal.SIGKILL)
        else:
            run.stdin.close()
        run.wait(30)
        until(lambda: is_gone(service), "the service is gone", 30)


def test_the_service_that_the_user_runs_is_used(note: Path) -> None:
    assert find_obstacle({}) is None
    assert find_obstacle({PIPES: "/somewhere"}) == "one runs already, which is used"


def test_without_the_program_nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert find_obstacle({}) == f"{PROGRAM} is not on the PATH"
