"""A run that is killed, interrupted or loses a worker resumes and ends with exactly its budget."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest
from optuna.storages import RDBStorage

from search.study.status import StudyView
from storage import url
from storage.database import open_database
from storage.records import studies
from tests.search.command import done, finished, kill_group, search, start, until

TRIALS = 8
RUN = ("run", "--study", "digits-depth", "--trials", str(TRIALS), "--epochs", "8", "--workers", "2")


@pytest.fixture(autouse=True)
def remote(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set a storage that outlives the commands, as a team's server does."""
    monkeypatch.setenv("SEARCH_STORAGE", database_url)


def status() -> dict[str, Any]:
    """Return what `search status --json` prints, without the second that its start takes."""
    with open_database(url.parse(os.environ["SEARCH_STORAGE"])) as database:
        if not studies.list_names(database.engine):
            return {"states": {"complete": 0, "pruned": 0}, "epochs_trained": 0, "workers": []}
        return StudyView(database, "digits-depth").status().to_json()


def trials(address: str) -> list[optuna.trial.FrozenTrial]:
    return optuna.load_study(study_name="digits-depth", storage=RDBStorage(address)).get_trials()


def check_exact(address: str) -> None:
    shown = status()
    assert finished(shown) == TRIALS
    assert (shown["states"]["running"], shown["states"]["fail"], shown["budget"]["left"]) == (0, 0, 0)
    assert [trial.number for trial in trials(address)] == list(range(TRIALS))
    for trial in trials(address):
        assert sorted(trial.intermediate_values) == list(range(len(trial.intermediate_values)))


@pytest.mark.slow
def test_a_killed_run_resumes(database_url: str, tmp_path: Path) -> None:
    process = start(*RUN)
    until(lambda: finished(status()) >= 1, "a finished trial")
    kill_group(process)
    process.communicate()
    before = {trial.number: trial for trial in trials(database_url)}
    running = [trial for trial in before.values() if trial.state == optuna.trial.TrialState.RUNNING]
    assert running, "nothing was running when the kill came"
    done(*RUN)
    check_exact(database_url)
    # The trials that were running are the same trials: same parameters, same beginning of the curve.
    for trial in trials(database_url):
        if trial.number in {was.number for was in running}:
            was = before[trial.number]
            assert was.params.items() <= trial.params.items()
            assert was.intermediate_values.items() <= trial.intermediate_values.items()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.long)]
)
def test_a_signal_ends_a_run_that_resumes(database_url: str, number: int, code: int) -> None:
    process = start(*RUN)
    until(lambda: status()["epochs_trained"] >= 1, "an epoch")
    assert len(_alive(session=process.pid)) >= 4  # the command, the fork server and two workers
    kill_group(process, number) if number == signal.SIGINT else process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert "search resume --study digits-depth" in err
    assert "Traceback" not in err
    until(lambda: _alive(session=process.pid) == [], "the last process of the command", seconds=10)
    done("resume", "--study", "digits-depth", "--workers", "2")
    check_exact(database_url)


@pytest.mark.long
def test_a_paused_study_keeps_its_workers_which_continue_its_trials(database_url: str) -> None:
    process = start(*RUN)
    until(lambda: status()["epochs_trained"] >= 2, "an epoch")
    done("pause", "--study", "digits-depth")
    until(lambda: all(worker["trial"] is None for worker in status()["workers"]), "the workers to pause", seconds=30)
    before = status()
    assert (before["control"], len(before["workers"])) == ("pause", 2)
    curves = {trial.number: trial.intermediate_values for trial in trials(database_url)}
    done("submit", "--study", "digits-depth")
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    check_exact(database_url)
    for number, curve in curves.items():
        assert curve.items() <= trials(database_url)[number].intermediate_values.items()


def _alive(session: int) -> list[int]:
    """Return the processes that a command, the leader of its session, has left behind."""
    found = []
    for process in psutil.process_iter(["status"]):
        with suppress(ProcessLookupError):
            if os.getsid(process.pid) == session and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_its_trial_resumed(database_url: str) -> None:
    process = start(*RUN)
    killed: set[int] = set()

    def kill_a_worker() -> bool:
        for worker in status()["workers"]:
            if worker["trial"] is not None and worker["epoch"] is not None:
                os.kill(int(worker["id"].split("/")[2].partition("-")[0]), signal.SIGKILL)
                killed.add(worker["trial"])
                return True
        return process.poll() is not None

    until(kill_a_worker, "a worker in the middle of a trial")
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert killed
    assert "a worker died" in err
    check_exact(database_url)


@pytest.mark.slow
def test_stop_reaches_the_workers_of_another_command(database_url: str) -> None:
    endless = ("--study", "digits-depth", "--trials", "500", "--workers", "2")
    process = start("run", *endless)
    until(lambda: status()["epochs_trained"] >= 1, "an epoch")
    done("stop", "--study", "digits-depth")
    process.communicate(timeout=60)
    assert process.returncode == 0
    stopped = status()
    assert stopped["control"] == "stop"
    assert finished(stopped) < 500
    refused = search("worker", "--study", "digits-depth")
    assert refused.code == 3
    assert "was stopped" in refused.err
    process = start("resume", *endless)
    until(lambda: status()["epochs_trained"] > stopped["epochs_trained"], "an epoch after the stop")
    assert status()["control"] == "run"
    kill_group(process)
    process.communicate()


@pytest.mark.long
@pytest.mark.slow
def test_two_commands_share_one_budget(database_url: str) -> None:
    first = start(*RUN)
    until(lambda: status()["epochs_trained"] >= 1, "an epoch")
    second = done("worker", "--study", "digits-depth", "--workers", "1")
    first.communicate(timeout=240)
    assert first.returncode == 0
    assert second.code == 0
    check_exact(database_url)


@pytest.mark.slow
def test_the_deadline_ends_a_run(database_url: str) -> None:
    done("run", "--study", "digits-depth", "--trials", "500", "--timeout", "3", "--workers", "2")
    # On a busy machine the workers have only just started when the time is over.
    shown = status()
    assert finished(shown) < 500
    assert shown["budget"]["left"] == 500 - finished(shown)
    assert shown["states"]["fail"] == 0
