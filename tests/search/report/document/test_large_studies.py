"""A report of 10,000 trials in a real storage."""

from __future__ import annotations

import resource
import time
from pathlib import Path

import pytest

from search.api.reports import ReportRequest, write
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
    path = tmp_path / "report.html"
    write(ReportRequest(studies=("large",), path=path), load())
    assert time.monotonic() - began < 60
    assert path.stat().st_size < 25e6
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 3 * 2**20  # kB
