"""The benchmark of checkpoints runs; the textbook's is there to be run."""

import importlib
import re
import subprocess
import sys

import pytest


@pytest.mark.long
def test_prints_a_share_for_each_network() -> None:
    options = ["--repeats", "1", "--examples", "600", "--epochs", "1"]
    command = [sys.executable, "-m", "tests.benchmarks.checkpoints", *options]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    assert len(re.findall(r"^\d x \d+: .* checkpoints of .* share \d", result.stdout, re.MULTILINE)) == 2


@pytest.mark.parametrize("name", ["checkpoints", "epoch", "policy", "race", "textbook"])
def test_every_benchmark_can_be_started(name: str) -> None:
    assert importlib.import_module(f"tests.benchmarks.{name}").main
