"""What a cluster gets to know of a worker, and what the worker's own machine adds."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from search.settings import load
from search.workers.engines.orders import build_job, describe_task
from search.workers.job import WorkerJob

PLAIN = "postgresql://me@db.example.org:5433/search?sslmode=verify-full"
FULL = PLAIN.replace("me@", "me:hunter2@") + "&sslpassword=hunter3"


def make_job(storage: str) -> WorkerJob:
    return WorkerJob(
        storage=storage,
        study="s",
        objective=None,
        settings=load(storage=storage),
        device="cuda:0",
        peers=("cuda:1",),
        threads=4,
    )


def test_no_password_and_no_home_reach_the_cluster(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEARCH_TRACK", "hunter4")
    task = describe_task(make_job(FULL))
    sent = pickle.dumps(task)
    assert task.storage == PLAIN
    assert b"hunter" not in sent
    assert str(home).encode() not in sent


def test_settings_that_somebody_has_set_travel_and_others_are_the_machine_s_own(
    home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEARCH_LEASE_SECONDS", "7")
    monkeypatch.setenv("SEARCH_CHECKPOINTS", "kept")
    task = describe_task(make_job(PLAIN))
    assert task.settings == {"lease_seconds": 7.0, "checkpoints": str(tmp_path / "kept")}
    monkeypatch.setenv("SEARCH_LEASE_SECONDS", "9")
    monkeypatch.setenv("SEARCH_HUNG_SECONDS", "11")
    job = build_job(task)
    assert (job.settings.lease_seconds, job.settings.hung_seconds, job.settings.home) == (7.0, 11.0, home)
    assert (job.devices, job.threads, job.study) == (("cuda:0", "cuda:1"), 4, "s")


def test_a_bucket_of_checkpoints_stays_an_address(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEARCH_CHECKPOINTS", "s3://bucket/prefix")
    assert describe_task(make_job(PLAIN)).settings == {"checkpoints": "s3://bucket/prefix"}


def test_a_worker_takes_the_password_of_its_own_machine_for_the_same_storage_only(home: Path) -> None:
    task = describe_task(make_job(PLAIN))
    other = PLAIN.replace("me@db", "me:hunter2@other")
    assert build_job(task, {}).storage == PLAIN
    assert build_job(task, {"SEARCH_STORAGE": other}).storage == PLAIN
    own = FULL.replace("&sslpassword=hunter3", "")
    assert build_job(task, {"SEARCH_STORAGE": own}).storage == build_job(task, {"OPTUNA_STORAGE": own}).storage == own
    assert build_job(task, {"SEARCH_STORAGE": own}).settings.storage == own
