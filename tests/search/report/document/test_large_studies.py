"""A report of 10,000 trials in a real storage."""

from __future__ import annotations

import os
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


@pytest.mark.long
def test_a_study_of_ten_thousand_trials_has_a_report_in_less_than_a_minute(database: Database, tmp_path: Path) -> None:
    request = StudyRequest(study="large", objective="digits-depth", epochs=EPOCHS, trials=TRIALS, experience="none")
    _, plan = create_or_continue(database, request, load())
    assert plan is not None
    fill(database, "large", plan.found.objective.space, finished=TRIALS, running=0)
    began = time.monotonic()
    # In a process of its own: this one's memory is also that of the tests before.
    command = [sys.executable, "-P", "-m", "search", "report", "--study", "large", "-o", str(tmp_path)]
    _, code, usage = os.wait4(os.posix_spawn(sys.executable, command, os.environ), 0)
    assert code == 0
    assert time.monotonic() - began < 60
    assert (tmp_path / "report.html").stat().st_size < 25e6
    assert usage.ru_maxrss < 2**20  # kB
