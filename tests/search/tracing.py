"""Running the `search` command under the kernel's eyes: every file that it and its workers open."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.search.command import Ended

TRACE = ("strace", "-f", "--seccomp-bpf", "-qq", "-s", "4096", "-e", "trace=openat,open,openat2", "-o")


def run_traced(log: Path, *arguments: str | Path) -> Ended:
    """Run a command to its end; `log` then has a line for each file that was opened."""
    command = shutil.which("strace")
    if command is None or subprocess.run([command, "-f", "true"], capture_output=True).returncode != 0:
        pytest.skip("strace is not installed or may not trace here (apt install strace)")
    ended = subprocess.run(
        [*TRACE, str(log), sys.executable, "-P", "-m", "search", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)
