"""`Study.run` in programs of their own: unguarded scripts, Ctrl-C and SIGTERM, the prompt."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from textwrap import indent

import pytest

from search import Study
from tests.search.command import Process, start_script, until

# Each epoch takes half a second, until there is a file that lets them all pass.
SLOW = """
import time
from pathlib import Path

from torch import nn

from objectives import Objective
from spaces import Float, Space


def train(config, data, report):
    for epoch in range(config.epochs):
        if not Path(__file__).with_name("go").exists():
            time.sleep(0.5)
        report(epoch, {"accuracy": config.rate / (1 + epoch)})
    return nn.Linear(1, 1)


OBJECTIVE = Objective(data="digits", train=train, epochs=40, trials=3, space=Space(rate=Float(0.1, 0.9)))
"""
RUN = """
print("the script runs", flush=True)
study = Study.create("script", objective="slow.py", pruner="none", experience="none")
study.run(workers=2, device="cpu", progress=lambda progress: print(progress, flush=True))
"""
RESUME = """
from search import Study
Study.open("script", objective="slow.py").run(workers=2, device="cpu")
"""
HANDLERS = """
def handlers():
    numbers = signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM
    return [*map(signal.getsignal, numbers), sys.unraisablehook]


before = handlers()
"""
CHECK = """
assert handlers() == before
print("handlers restored", flush=True)
"""
# A shell's background job ignores Ctrl-C, and so does what it starts.
IMPORTS = "import signal, sys\nfrom search import Study\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
OWN_HANDLER = "signal.signal(signal.SIGINT, lambda number, frame: print('own handler', number, flush=True))\n"

IN_TRY = f"{IMPORTS}{HANDLERS}try:{indent(RUN, '    ')}\nfinally:{indent(CHECK, '    ')}\n"


@pytest.fixture(autouse=True)
def remote(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEARCH_STORAGE", database_url)


def start(folder: Path, program: str, *, cold: bool = False) -> Process:
    path = folder / "script.py"
    path.write_text(program)
    (folder / "slow.py").write_text(SLOW)
    return start_script(path, cold=cold)


def interrupt(process: Process, number: signal.Signals) -> tuple[int, list[str], str]:
    """Send a signal when a trial is in training, to the whole group if it is Ctrl-C's."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.strip())
        if "running" in line:
            break
    until(lambda: epochs_trained() >= 1, "an epoch")
    (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
    out, err = process.communicate(timeout=60)
    return process.returncode, [*lines, *out.splitlines()], err


def epochs_trained() -> int:
    with Study.open("script") as study:
        return study.status().epochs_trained


def check_resumed(folder: Path) -> None:
    """The study has no failed trial and no worker, and continues to exactly its budget."""
    with Study.open("script") as study:
        before = study.status()
    assert (before.states.fail, before.workers) == (0, ())
    assert before.states.finished < 3
    (folder / "go").touch()
    process = start(folder, RESUME)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    with Study.open("script") as study:
        after = study.status()
        assert (after.states.complete, after.states.running, after.budget.left) == (3, 0, 0)
        assert [len(trial.accuracies) for trial in study.trials] == [40, 40, 40]


@pytest.mark.slow
@pytest.mark.parametrize("cold", [False, pytest.param(True, marks=pytest.mark.long)], ids=["warm", "cold"])
def test_ctrl_c_ends_the_workers_and_raises_keyboard_interrupt(tmp_path: Path, cold: bool) -> None:
    code, lines, err = interrupt(start(tmp_path, IN_TRY, cold=cold), signal.SIGINT)
    assert code == -signal.SIGINT  # as Python ends for a KeyboardInterrupt that nobody catches
    assert err.strip().endswith("KeyboardInterrupt")
    assert lines.count("the script runs") == 1  # and not again in the workers
    assert lines[-1] == "handlers restored"
    check_resumed(tmp_path)


@pytest.mark.slow
@pytest.mark.long
def test_sigterm_ends_the_workers_and_the_program(tmp_path: Path) -> None:
    code, lines, err = interrupt(start(tmp_path, IN_TRY), signal.SIGTERM)
    assert (code, err) == (143, "")
    assert lines[-1] == "handlers restored"
    check_resumed(tmp_path)


@pytest.mark.slow
def test_a_handler_of_the_programs_own_is_called_after_the_workers_have_ended(tmp_path: Path) -> None:
    program = IMPORTS + OWN_HANDLER + HANDLERS + RUN + CHECK
    code, lines, err = interrupt(start(tmp_path, program), signal.SIGINT)
    assert (code, err) == (0, "")
    assert lines[-2:] == [f"own handler {int(signal.SIGINT)}", "handlers restored"]
    with Study.open("script") as study:
        assert study.status().workers == ()


@pytest.mark.long
def test_the_prompt_needs_no_file() -> None:
    typed = "from search import Study\nstudy = Study.create('prompt', 'digits-depth', trials=1, epochs=1)\n"
    typed += "print(study.run(workers=1, device='cpu'))\nfrom objectives import Objective\n"
    typed += "from objectives.studies.digits_depth import OBJECTIVE as shipped\nimport dataclasses\n"
    typed += "OBJECTIVE = dataclasses.replace(shipped, epochs=2)\nStudy.create('other', OBJECTIVE)\n"
    ended = subprocess.run([sys.executable, "-P"], input=typed, capture_output=True, text=True, check=False)
    assert "prompt: 1 of 1 trials (1 complete)" in ended.stdout
    assert "write `OBJECTIVE = Objective(...)` into a file and pass its path" in ended.stderr.splitlines()[-1]
