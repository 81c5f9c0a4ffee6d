"""Workers of services in the list of workers: shown, asked to leave, passed on to processes, removed once dead."""

from __future__ import annotations

import os

from sqlalchemy import Engine

from storage.database import Database
from storage.leasing import beats, services, workers
from storage.leasing.beats import Beat

STUDY = 7


def show_process(engine: Engine, last: str | None = None) -> str:
    process = workers.new_worker_id(last)
    beats.send(engine, Beat(worker=process, study_id=STUDY, device="cpu"), None, 30)
    return process


def list_leaving(engine: Engine) -> list[str]:
    return [row.id for row in workers.find_living(engine, STUDY, 60) if row.leaves]


def test_each_worker_of_a_service_learns_how_it_was_asked_to_leave(database: Database) -> None:
    engine, names = database.engine, sorted(workers.new_worker_id() for _ in range(2))
    assert services.show(engine, []) == services.show(engine, names) == {}
    assert workers.list_living(engine, 60) == names
    for at_once, how in ((False, workers.AFTER_TRIAL), (True, workers.AT_ONCE)):
        assert workers.ask_to_leave(engine, names[:1], at_once=at_once) == names[:1]
        assert services.show(engine, names) == {names[0]: how}
    assert workers.leave(engine, names[0])
    assert services.show(engine, names) == {}


def test_only_its_own_process_is_asked(database: Database) -> None:
    engine, own = database.engine, show_process(database.engine)
    services.ask_process_to_leave(engine, os.getpid() + 1, workers.AT_ONCE)
    assert list_leaving(engine) == []
    services.ask_process_to_leave(engine, os.getpid(), workers.AFTER_TRIAL)
    assert list_leaving(engine) == [own]


def test_dead_workers_of_services_are_removed_and_no_other_row(database: Database) -> None:
    engine, living = database.engine, workers.new_worker_id()
    host, namespace, _, last = living.split("/")
    elsewhere = f"another/{namespace}/1-1/{last}"
    services.show(engine, [living, f"{host}/{namespace}/{2**22 + 1}-1/{last}", elsewhere])
    process = show_process(engine, "abcd1234")
    assert workers.abbreviate(process) == "abcd1234"
    services.remove_dead(engine)
    assert sorted(workers.list_known(engine, services.NO_STUDY)) == sorted([living, elsewhere])
    assert workers.list_known(engine, STUDY) == [process]
