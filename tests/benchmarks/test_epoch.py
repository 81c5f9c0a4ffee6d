"""The benchmark of an epoch runs; how fast is for people to judge."""

import re
import subprocess
import sys

import pytest


@pytest.mark.long
def test_prints_each_time_and_a_ratio() -> None:
    command = [sys.executable, "-m", "tests.benchmarks.epoch", "--repeats", "2", "--examples", "600"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    assert len(re.findall(r"fit \d+\.\d{3} s .* fast \d+\.\d{3} s .* ratio \d", result.stdout)) == 2
    assert re.search(r"^ratio \d+\.\d{3} \(median of 2; \d+\.\d{3} to \d+\.\d{3}\)$", result.stdout, re.MULTILINE)
    assert "540 + 60 random images" in result.stdout
    assert re.search(r"^torch \S+, 1 thread, \S", result.stdout, re.MULTILINE)
