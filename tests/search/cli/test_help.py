"""What is cheap stays cheap: help, and the parent of a run."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from search.cli.app import build_app, find_commands
from tests.search.command import done

CONTRACT = (
    *("run", "resume", "worker", "stop", "status", "list"),
    *("final", "dashboard", "storage", "space", "data", "doctor"),
)
COMMANDS = [command.name for command in find_commands()]


def test_help_names_every_command_in_its_order() -> None:
    shown = done("--help", cold=True).out.partition("Commands:\n")[2]
    assert [line.split()[0] for line in shown.splitlines()] == COMMANDS
    assert [name for name in COMMANDS if name in CONTRACT] == list(CONTRACT)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    shown = CliRunner().invoke(build_app(), [command, "--help"])
    assert shown.exit_code == 0
    assert "Usage:" in shown.output


def test_help_takes_less_than_300_ms_of_cpu() -> None:
    def seconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done("--help", cold=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    # The least of several: other work on the machine only ever adds.
    assert min(seconds() for _ in range(7)) < 0.3


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv[1:] = ['--help']; from search.__main__ import main; main(); "
        "print([name for name in ('torch', 'optuna', 'sqlalchemy', 'pydantic', 'numpy') if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("flags", [["space", "--catalogue"], ["space", "--catalogue", "--json"]], ids=["table", "json"])
def test_a_reader_that_leaves_early_is_no_error(flags: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "search", *flags], stdout=writing, stderr=subprocess.PIPE, text=True, check=False
        )
    finally:
        os.close(writing)
    assert (ended.returncode, ended.stderr) == (0, "")
