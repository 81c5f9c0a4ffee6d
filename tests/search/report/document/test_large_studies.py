"""A report of 10,000 trials in a real storage."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from search.settings import load
from search.study.create import create_or_continue
from search.study.plan import StudyRequest
from storage.database import Database
from tests.benchmarks.service.history import EPOCHS, fill

TRIALS = 10_000
# Linux counts the peak of the process that starts another as the other's: one that is small starts it.
MEASURED = """
import resource, subprocess, sys

subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@pytest.mark.long
def test_a_study_of_ten_thousand_trials_has_a_report_in_less_than_a_minute(database: Database, tmp_path: Path) -> None:
    request = StudyRequest(study="large", objective="digits-depth", epochs=EPOCHS, trials=TRIALS, experience="none")
    _, plan = create_or_continue(database, request, load())
    assert plan is not None
    fill(database, "large", plan.found.objective.space, finished=TRIALS, running=0)
    began = time.monotonic()
    command = [sys.executable, "-P", "-m", "search", "report", "--study", "large", "-o", str(tmp_path)]
    ended = subprocess.run([sys.executable, "-c", MEASURED, *command], stdout=subprocess.PIPE, text=True, check=True)
    assert time.monotonic() - began < 60
    assert (tmp_path / "report.html").stat().st_size < 25e6
    assert int(ended.stdout.splitlines()[-1]) < 2**20  # kB
