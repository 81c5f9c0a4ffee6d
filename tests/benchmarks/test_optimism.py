"""The benchmark of selection optimism runs."""

import re
import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.long
def test_prints_a_line_for_each_repeat_and_one_for_all() -> None:
    options = [
        "--repeats",
        "1",
        "--trials",
        "2",
        "--epochs",
        "1",
        "--candidates",
        "2",
        "--seeds",
        "2",
        "--truth",
        "2",
    ]
    command = [sys.executable, "-m", "tests.benchmarks.optimism", *options, "--workers", "1"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    first, last = result.stdout.splitlines()[1:]
    assert re.fullmatch(r"seed 0: best 0\.\d{4}, optimism .* truth .*: (in|out)side", first)
    assert last.startswith("1 of 1 inside; width " if first.endswith(" inside") else "0 of 1 inside; width ")
