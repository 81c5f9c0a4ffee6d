"""Workers without a study serve all that are open here: by priority, then the fewest running, fair between equals."""

from __future__ import annotations

import os
import signal
import socket
import textwrap
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from objectives.importing.own_files import hash_sources
from search.settings import load
from search.study import create
from search.study.plan import StudyRequest
from search.study.serving import Served, choose_study
from search.study.status import StudyView
from search.workers.fleet.skips import Skips
from storage.database import Database
from storage.leasing import services, workers
from storage.records import queue, studies
from storage.records.queue import OpenStudy
from tests.search.command import Process, done, kill_group, search, start, until

OWN = """
    import time

    from torch import nn

    from objectives.core.objective import Objective
    from spaces import Float, Space


    def train(config, data, report):
        for epoch in range(2):
            time.sleep(SECONDS)
            report(epoch, {"accuracy": config.x})
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


    OBJECTIVE = Objective(data="digits", train=train, epochs=2, trials=3, space=Space(x=Float(0, 1)))
"""


def add(database: Database, name: str, objective: str | Path, trials: int, priority: int = 0) -> None:
    """Add a study as another machine does."""
    request = StudyRequest(study=name, objective=str(objective), trials=trials, experience="none", sampler="random")
    record, _ = create.create_or_continue(database, request, load())
    studies.set_priority(database.engine, record.study_id, priority)


def write(folder: Path, name: str, seconds: float) -> Path:
    """Write an objective that trains nothing and takes some time."""
    path = folder / f"{name}.py"
    path.write_text(textwrap.dedent(OWN).replace("SECONDS", str(seconds)))
    return path


def trials_of(database: Database, name: str) -> list[FrozenTrial]:
    return optuna.load_study(study_name=name, storage=database.history).get_trials(deepcopy=False)


def begun(trials: list[FrozenTrial]) -> list[datetime]:
    """Return when each trial began."""
    return [trial.datetime_start for trial in trials if trial.datetime_start is not None]


@pytest.fixture
def serve() -> Iterator[Callable[..., Process]]:
    """Start a service that runs this file, too, and ends with the test."""
    started: list[Process] = []

    def begin(allowed: Path, count: int, *flags: str) -> Process:
        started.append(start("worker", "--allow", allowed, "--workers", str(count), "--device", "cpu", *flags))
        return started[-1]

    yield begin
    for process in started:
        if process.poll() is None:
            kill_group(process)
            process.communicate()


def open_study(study_id: int, **values: object) -> OpenStudy:
    given = {"priority": 0, "running": 0, "begun_seconds": None, "has_work": True, **values}
    return OpenStudy(study_id=study_id, name=str(study_id), objective="digits-depth", objective_hash="", **given)  # type: ignore[arg-type]


def chosen(*found: OpenStudy) -> int | None:
    study = choose_study(found)
    return None if study is None else study.study_id


def test_the_next_study_is_that_of_the_highest_priority_then_with_the_fewest_running_then_in_turn() -> None:
    early, late = 1.0, 2.0
    assert chosen(open_study(1), open_study(2, priority=1, running=9)) == 2
    assert chosen(open_study(1, running=2), open_study(2, running=1)) == 2
    assert chosen(open_study(1, begun_seconds=late), open_study(2, begun_seconds=early)) == 2
    assert chosen(open_study(1, begun_seconds=early), open_study(2)) == 2
    assert chosen(open_study(1), open_study(2, priority=9, has_work=False)) == 1
    assert chosen(open_study(1, has_work=False)) is None
    assert choose_study([open_study(1), open_study(2)], {1: 1}) == open_study(2)


def test_only_installed_objectives_and_allowed_files_of_the_same_content_are_run(tmp_path: Path) -> None:
    path = write(tmp_path, "mine", 0)
    study = OpenStudy(**{**vars(open_study(1)), "objective": "mine", "objective_hash": hash_sources(path)[0]})
    assert Served().find_objective(study) is None
    assert Served(allowed=(str(path),)).find_objective(study) == str(path)
    path.write_text(path.read_text() + "\n# changed\n")
    assert Served(allowed=(str(path),)).find_objective(study) is None
    assert Served().find_objective(open_study(1)) == "digits-depth"
    assert Served(skipped={1}).select([open_study(1)]) == []


def test_a_study_is_open_until_its_budget_is_spent_and_has_work_while_a_slot_is_free(database: Database) -> None:
    record = studies.create(database, "s", {"objective": "mine", "objective_hash": "x"}, 1)
    [found] = queue.list_open(database.engine, 30)
    told = found.name, found.objective, found.running, found.begun_seconds, found.has_work
    assert told == ("s", "mine", 0, None, True)
    study = optuna.load_study(study_name="s", storage=database.optuna)
    trial = study.ask()
    assert [one.has_work for one in queue.list_open(database.engine, 30)] == [True], "it has no lease"
    study.tell(trial, 0.5)
    assert queue.list_open(database.engine, 30) == []
    studies.raise_budget(database.engine, record.study_id, 2)
    for control in ("pause", "stop", "failed", "moved"):
        studies.set_control(database.engine, record.study_id, control)  # type: ignore[arg-type]
        assert queue.list_open(database.engine, 30) == []


def test_a_reason_to_leave_out_a_study_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    skips, study = Skips(), open_study(1)
    for reason in ("other data", "other data", "no data", "no data"):
        skips.add(study, reason)
    assert [record.message.rpartition(": ")[2] for record in caplog.records] == ["other data", "no data"]


def test_allowed_files_must_exist_and_go_without_a_study(database: Database) -> None:
    ended = search("worker", "--allow", "missing.py")
    assert (ended.code, "is not a file" in ended.err) == (2, True)
    assert search("worker", "--study", "s", "--once").code == 2
    assert search("worker", "--objective", "mine.py").code == 2


@pytest.mark.slow
def test_a_service_serves_by_priority_survives_a_kill_and_ends_when_nothing_is_left(
    database: Database, tmp_path: Path, serve: Callable[..., Process]
) -> None:
    """One objective is not allowed here, and one worker is killed."""
    mine, other = write(tmp_path, "mine", 0.3), write(tmp_path, "other", 0)
    for name, objective, priority in (("low", mine, 0), ("high", mine, 5), ("foreign", other, 9)):
        add(database, name, objective, 3, priority)
    service = serve(mine, 2, "--once")
    until(lambda: len(find_workers(database)) == 2, "two workers")
    kill_worker(database)
    _, err = service.communicate(timeout=120)
    assert service.returncode == 0, err
    assert "study 'foreign' is left out" in err
    assert err.count("training study 'high'") == err.count("training study 'low'") == 1
    for name in ("high", "low"):
        found = trials_of(database, name)
        assert [trial.state for trial in found] == [TrialState.COMPLETE] * 3
        assert [trial.number for trial in found] == [0, 1, 2]
    assert trials_of(database, "foreign") == []
    assert max(begun(trials_of(database, "high"))) <= min(begun(trials_of(database, "low")))


@pytest.mark.slow
def test_a_drained_host_misses_no_worker_that_has_no_study_at_that_moment(
    database: Database, tmp_path: Path, serve: Callable[..., Process]
) -> None:
    mine, gate = write(tmp_path, "mine", 0), tmp_path / "gate"
    mine.write_text(
        mine.read_text().replace("time.sleep(0)", f"while not os.path.exists({str(gate)!r}): time.sleep(0.05)")
    )
    mine.write_text(mine.read_text().replace("import time", "import os, time"))
    add(database, "first", mine, 1)
    service = serve(mine, 2)
    until(lambda: count_running(database, "first") == len(find_workers(database)) == 1, "a worker without a study")
    said = done("drain", "--worker", socket.gethostname()).out
    assert said.count("leaves after its trial") == 2
    add(database, "second", mine, 1)
    gate.touch()
    _, err = service.communicate(timeout=60)
    assert service.returncode == 0, err
    assert [trial.state for trial in trials_of(database, "first")] == [TrialState.COMPLETE]
    assert trials_of(database, "second") == []
    assert workers.list_living(database.engine, 60) == []


@pytest.mark.slow
def test_a_worker_between_two_studies_is_drained_by_its_name(
    database: Database, tmp_path: Path, serve: Callable[..., Process]
) -> None:
    mine = write(tmp_path, "mine", 0.5)
    add(database, "first", mine, 1)
    service = serve(mine, 1)
    seen: list[str] = []
    until(lambda: seen.extend(find_workers(database)) or bool(seen), "a worker")
    until(lambda: count_finished(database, "first") == 1 and not find_workers(database), "no study is left")
    assert "leaves after its trial" in done("drain", "--worker", workers.abbreviate(seen[0])).out
    add(database, "second", mine, 1)
    _, err = service.communicate(timeout=60)
    assert service.returncode == 0, err
    assert trials_of(database, "second") == []
    assert workers.list_living(database.engine, 60) == []


@pytest.mark.long
def test_a_hundred_trials_of_three_studies_under_fire(
    database: Database, tmp_path: Path, serve: Callable[..., Process]
) -> None:
    """Four workers; meanwhile a study is paused, a worker drained, one killed, and trials are cancelled and voided."""
    mine, budgets = write(tmp_path, "mine", 0.4), {"high": 40, "a": 30, "b": 30}
    for name, trials in budgets.items():
        add(database, name, mine, trials, 5 if name == "high" else 0)
    service = serve(mine, 4)
    until(lambda: min(count_finished(database, "a"), count_finished(database, "b")) >= 3, "trials of both")
    first = begun(trials_of(database, "high"))[: budgets["high"]]
    assert max(first) <= min(begun([*trials_of(database, "a"), *trials_of(database, "b")]))

    done("pause", "--study", "a")
    until(lambda: not find_workers_of(database, "a"), "the workers of a to leave it", seconds=30)
    before, others = len(trials_of(database, "a")), count_finished(database, "b")
    until(lambda: count_finished(database, "b") >= others + 3, "further trials of the other study")
    assert len(trials_of(database, "a")) == before
    done("submit", "--study", "a", "--objective", mine)

    until(lambda: drain_one(database), "a worker that leaves")
    kill_worker(database)
    cancelled = withdraw_running(database, "b", "cancel")
    voided = withdraw_running(database, "a", "void", "--reason", "a broken machine")
    done("void", "--study", "high", "--trial", "0", "--reason", "wrong data")
    largest = 0
    while any(count_finished(database, name) < trials for name, trials in budgets.items()):
        largest = max(largest, len(find_workers(database)))
        time.sleep(0.2)
    service.send_signal(signal.SIGTERM)
    service.communicate(timeout=60)
    assert service.returncode == 143
    assert largest < 4, "the place of a drained worker stays empty"

    for name, trials in budgets.items():
        status, found = StudyView(database, name).status(), trials_of(database, name)
        assert (status.states.finished, status.states.running, status.budget.left) == (trials, 0, 0)
        assert [trial.number for trial in found] == list(range(len(found)))
    assert trials_of(database, "b")[cancelled].user_attrs["reason"] == "cancelled"
    assert [one.trial for one in StudyView(database, "a").status().voided] == [voided]
    assert len(trials_of(database, "high")) == budgets["high"] + 1


def drain_one(database: Database) -> bool:
    """Drain a worker, whether its process has ended meanwhile or not; return whether there was one."""
    return any(done("drain", "--worker", worker, "--now").out for worker in find_workers(database)[:1])


def kill_worker(database: Database) -> None:
    """Kill one of the workers."""
    until(lambda: bool(find_workers(database)), "a worker")
    os.kill(int(find_workers(database)[0].split("/")[2].partition("-")[0]), signal.SIGKILL)


def count_running(database: Database, name: str) -> int:
    return StudyView(database, name).status().states.running


def count_finished(database: Database, name: str) -> int:
    return StudyView(database, name).status().states.finished


def find_workers_of(database: Database, name: str) -> list[workers.WorkerRow]:
    return workers.find_living(database.engine, studies.get(database.engine, name).study_id, 60)


def withdraw_running(database: Database, name: str, command: str, *flags: str) -> int:
    """Cancel or void a trial that runs, and return its number; one that has ended meanwhile is tried in vain."""
    done_to: list[int] = []

    def withdraw() -> bool:
        running = [trial.number for trial in trials_of(database, name) if trial.state == TrialState.RUNNING]
        for number in running[-1:]:
            if search(command, "--study", name, "--trial", str(number), *flags).code == 0:
                done_to.append(number)
        return bool(done_to)

    until(withdraw, f"a running trial of {name}")
    return done_to[0]


def find_workers(database: Database) -> list[str]:
    """Return the workers that train a study."""
    of_services = workers.list_known(database.engine, services.NO_STUDY)
    return [name for name in workers.list_living(database.engine, 60) if name not in of_services]
