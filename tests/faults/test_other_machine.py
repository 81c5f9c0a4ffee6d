"""A trial that another kind of machine resumes says so: its curve is not bit for bit that of one machine."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.faults.curves import trials
from tests.faults.kept import keeping
from tests.faults.member import Machine
from tests.faults.needs import need
from tests.faults.pool import STUDY, Size, on_linux, pool
from tests.search.command import done, until

pytestmark = [pytest.mark.faults, on_linux, pytest.mark.long]

SIZE = Size(trials=1, epochs=8, width=256, depth=3)
BEGUN = "SELECT 1 FROM depthsearch.checkpoints WHERE epoch BETWEEN 2 AND 5"


def test_a_trial_resumed_with_more_threads_tells_from_which_epoch_on(tmp_path: Path, database_url: str) -> None:
    need(reason="needs two cores", there=len(os.sched_getaffinity(0)) > 1)
    with pool(database_url, tmp_path, SIZE) as team:
        begun = team.worker(machine=keeping(tmp_path / "checkpoints"))
        until(lambda: bool(team.rows(BEGUN)), "a checkpoint in the middle of the trial")
        begun.kill()
        [(trained,)] = team.rows("SELECT count(*) FROM depthsearch.epochs")
        heir = team.worker(machine=Machine(cores=(0, 1), environment=keeping(tmp_path / "checkpoints").environment))
        team.end_well()
    [trial] = trials(database_url, STUDY)
    first, second = trial.user_attrs["machines"]
    assert (first["epoch"], first["threads"]) == (0, 1)
    assert second["threads"] == 2
    assert 0 < trained <= second["epoch"] <= trained + 1  # the last report was perhaps on its way
    assert first["torch"] == second["torch"] == trial.user_attrs["torch"]
    assert heir.said.count("another kind of machine") == 1
    assert "another kind of machine" not in begun.said

    flags = ("--study", STUDY, "--storage", database_url)
    told = f"from epoch {second['epoch'] + 1} on {second['hardware']}, 2 threads"
    assert told in done("status", *flags).out
    assert told in done("curves", *flags).out
    assert done("status", *flags, "--json").document["best"]["machines"] == [first, second]
    assert done("curves", *flags, "--json").document["trials"][0]["machines"] == [first, second]
    done("report", *flags, "--out", tmp_path, "--format", "json")
    notable = json.loads((tmp_path / "report.json").read_text())["notable"]
    assert [each["trial"] for each in notable if each["kind"] == "other machine"] == [0]
