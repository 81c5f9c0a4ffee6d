"""Services in the list of workers: shown, asked to leave, passed on to their workers, removed once they are dead."""

from __future__ import annotations

import os

from sqlalchemy import Engine

from storage.database import Database
from storage.leasing import beats, services, workers
from storage.leasing.beats import Beat

STUDY = 7


def show_worker(engine: Engine) -> str:
    worker = workers.new_worker_id()
    beats.send(engine, Beat(worker=worker, study_id=STUDY, device="cpu"), None, 30)
    return worker


def list_leaving(engine: Engine) -> list[str]:
    return [row.id for row in workers.find_living(engine, STUDY, 60) if row.leaves]


def test_a_service_learns_how_it_was_asked_to_leave(database: Database) -> None:
    engine, service = database.engine, services.new_service_id()
    assert services.show(engine, service) is None
    assert workers.list_living(engine, 60) == [service]
    assert services.is_service(service)
    for at_once, how in ((False, workers.AFTER_TRIAL), (True, workers.AT_ONCE)):
        assert workers.ask_to_leave(engine, [service], at_once=at_once) == [service]
        assert services.show(engine, service) == how
    assert workers.leave(engine, service)
    assert services.show(engine, service) is None


def test_only_its_own_workers_are_asked(database: Database) -> None:
    engine, own = database.engine, show_worker(database.engine)
    assert not services.is_service(own)
    services.ask_workers_to_leave(engine, [], workers.AT_ONCE)
    services.ask_workers_to_leave(engine, [os.getpid() + 1], workers.AT_ONCE)
    assert list_leaving(engine) == []
    services.ask_workers_to_leave(engine, [os.getpid() + 1, os.getpid()], workers.AFTER_TRIAL)
    assert list_leaving(engine) == [own]


def test_a_dead_service_is_removed_and_no_other_row(database: Database) -> None:
    engine, living = database.engine, services.new_service_id()
    host, namespace, _, last = living.split("/")
    for service in (living, f"{host}/{namespace}/{2**22 + 1}-1/{last}", f"another/{namespace}/1-1/{last}"):
        services.show(engine, service)
    worker = show_worker(engine)
    services.remove_dead(engine)
    left = workers.list_known(engine, services.NO_STUDY)
    assert sorted(left) == sorted([living, f"another/{namespace}/1-1/{last}"])
    assert workers.list_known(engine, STUDY) == [worker]
