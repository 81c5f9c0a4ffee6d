"""Workers: who lives, judged by the process itself on its own machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from multiprocessing.connection import Connection

import pytest

from storage.database import Database
from storage.leasing import beats, leases, workers
from storage.leasing.beats import Beat
from storage.records.studies import StudyRecord


def _tell_name(sender: Connection) -> None:
    sender.send(workers.new_worker_id())
    signal.pause()


@pytest.mark.skipif(sys.platform != "linux", reason="process start times are read from /proc")
def test_a_killed_process_is_known_to_be_dead() -> None:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_tell_name, args=(sender,))
    process.start()
    name = receiver.recv()
    assert not workers.is_dead(name)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert workers.is_dead(name)


def test_a_worker_elsewhere_is_never_called_dead() -> None:
    host, space, process, rest = workers.new_worker_id().split("/")
    assert not workers.is_dead(f"elsewhere/{space}/999999999-1/{rest}")
    assert not workers.is_dead(f"{host}/another-boot/{process}/{rest}")
    assert not workers.is_dead("a name of another form")


def test_beats_are_shown_until_the_worker_leaves(database: Database, record: StudyRecord) -> None:
    name = workers.new_worker_id()
    for at in ({}, {"trial": 4, "epoch": 2}):
        beats.send(database.engine, Beat(worker=name, study_id=record.study_id, device="cpu", **at), None, 60.0)
    [seen] = workers.find_living(database.engine, record.study_id, 60.0)
    assert (seen.id, seen.device, seen.trial, seen.epoch) == (name, "cpu", 4, 2)
    assert 0 <= seen.beat_s < 30
    assert workers.find_living(database.engine, record.study_id, -1.0) == []
    workers.leave(database.engine, name)
    assert workers.find_living(database.engine, record.study_id, 60.0) == []


def test_dead_workers_leases_are_released(database: Database, record: StudyRecord) -> None:
    import optuna

    study = optuna.load_study(study_name="s", storage=database.optuna)
    trial = study.ask()
    with database.engine.begin() as connection:
        leases.claim(connection, record.study_id, trial._trial_id, "gone", 60.0)
    assert workers.list_known(database.engine, record.study_id) == ["gone"]
    assert leases.take_over(database.engine, record.study_id, "w", 60.0) is None
    assert leases.release_workers(database.engine, record.study_id, ["somebody else"]) == 0
    assert leases.release_workers(database.engine, record.study_id, ["gone"]) == 1
    assert leases.take_over(database.engine, record.study_id, "w", 60.0) is not None
