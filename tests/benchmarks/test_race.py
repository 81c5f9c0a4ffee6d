"""The race of policies runs on something small."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest


@pytest.mark.long
def test_two_policies_take_turns_and_are_timed() -> None:
    policies = ["--policies", "random+none,curves+rank"]
    options = ["--objective", "digits-depth", "--seeds", "1", "--minutes", "1", "--targets", "0.02,0.05"]
    command = [sys.executable, "-m", "tests.benchmarks.race", *options, *policies]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    rows = re.findall(r"^(seed 0|median) +(\S+): 0.02 after \d+ s, 0.05 after \d+ s$", result.stdout, re.MULTILINE)
    assert rows == [
        ("seed 0", "random+none"),
        ("seed 0", "curves+rank"),
        ("median", "random+none"),
        ("median", "curves+rank"),
    ]
