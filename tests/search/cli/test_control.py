"""`search pause`, `stop`, `cancel`, `void` and `drain`: what they say, with which exit code."""

from __future__ import annotations

from collections.abc import Iterator

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from storage import url
from storage.database import open_database
from storage.leasing import beats, services
from storage.leasing.beats import Beat
from storage.records import studies
from tests.conftest import copied
from tests.search.command import done, search
from tests.search.earlier import make, planned, random_trials

STUDY = "digits"
TRIALS = 5
WORKER = "gpu-box/boot/12-34/abcd1234"
STUDY_FLAG = ("--study", STUDY)


@pytest.fixture(scope="module")
def made(server: str, template: str) -> Iterator[str]:
    """A storage with a study that has a running and a waiting trial, and a worker, which these commands change."""
    with copied(server, template) as made:
        with open_database(url.parse(made)) as database:
            plan = planned(STUDY)
            make(database, plan, STUDY, random_trials(plan.found.objective.space, TRIALS))
            study = optuna.load_study(study_name=STUDY, storage=database.optuna)
            study.add_trial(create_trial(state=TrialState.RUNNING))
            study.add_trial(create_trial(state=TrialState.WAITING))
            record = studies.get(database.engine, STUDY)
            beat = Beat(worker=WORKER, study_id=record.study_id, device="cuda:1", trial=TRIALS)
            beats.send(database.engine, beat, None, 30)
        yield made


@pytest.fixture(autouse=True)
def chosen(made: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set it as the storage of the commands."""
    monkeypatch.setenv("SEARCH_STORAGE", made)


def refuse(code: int, *arguments: str) -> str:
    """Run a command that refuses, and return its one line."""
    ended = search(*arguments)
    [line] = ended.lines
    assert (ended.code, ended.out) == (code, "")
    return line


def test_a_trial_is_cancelled_once() -> None:
    assert "slot is spent" in done("cancel", *STUDY_FLAG, "--trial", str(TRIALS)).out
    assert "waits no more" in done("cancel", *STUDY_FLAG, "--trial", str(TRIALS + 1)).out
    line = refuse(3, "cancel", *STUDY_FLAG, "--trial", str(TRIALS))
    assert "was stopped early" in line
    assert f"search void --study {STUDY} --trial {TRIALS} --reason" in line
    assert f"has {TRIALS + 2} trials" in refuse(2, "cancel", *STUDY_FLAG, "--trial", "99")


def test_a_voided_trial_is_shown_with_its_reason_and_counts_no_more() -> None:
    best = done("status", *STUDY_FLAG, "--json").document["best"]["trial"]
    hostile = "fan broke \x1b[31m<b>"
    said = done("void", *STUDY_FLAG, "--trial", str(best), "--reason", hostile).out
    assert f"trial {best} (complete) is void: fan broke" in said
    assert "\x1b" not in said
    status = done("status", *STUDY_FLAG, "--json").document
    assert status["best"]["trial"] != best
    assert status["voided"] == [{"trial": best, "reason": hostile, "was": "complete"}]
    shown = done("status", *STUDY_FLAG).out
    assert f"trial {best} is void: fan broke" in shown
    assert "\x1b" not in shown
    assert "voided before: fan broke" in refuse(3, "void", *STUDY_FLAG, "--trial", str(best), "--reason", "x")
    assert "was voided" in refuse(3, "cancel", *STUDY_FLAG, "--trial", str(best))
    assert "1 to 300 characters" in refuse(2, "void", *STUDY_FLAG, "--trial", "0", "--reason", " ")


def test_a_worker_is_drained_by_its_name_its_last_part_or_its_host() -> None:
    for name in (WORKER, "abcd1234", "gpu-box"):
        said = done("drain", "--worker", name).out
        assert said == "worker abcd1234 on gpu-box leaves after its trial; the others continue\n"
    assert "stores its trial's state" in done("drain", "--worker", "abcd1234", "--now").out
    shown = done("status", *STUDY_FLAG).out
    assert "worker abcd1234 on " in shown
    assert "then leaves" in shown
    assert "did you mean abcd1234?" in refuse(2, "drain", "--worker", "abcd1235")


def test_a_worker_of_a_service_is_drained_between_two_studies_too(made: str) -> None:
    """It is there all the time, and beside it its process of the study that it trains."""
    training, between = "aaaa1111", "bbbb2222"
    with open_database(url.parse(made)) as database:
        services.show(database.engine, [f"rack-7/boot/1-1/{last}" for last in (training, between)])
        process = Beat(worker=f"rack-7/boot/2-2/{training}", study_id=1, device="cpu")
        beats.send(database.engine, process, None, 30)
    for last in (training, between):
        said = f"worker {last} on rack-7 leaves after its trial; the others continue\n"
        for name in (last, f"rack-7/boot/3-3/{last}"):
            assert done("drain", "--worker", name).out == said
    assert done("drain", "--worker", "rack-7").out.count("leaves after its trial") == 2
    with open_database(url.parse(made)) as database:
        assert len(services.show(database.engine, [f"rack-7/boot/1-1/{last}" for last in (training, between)])) == 2


def test_a_study_is_paused_and_stopped() -> None:
    assert "resume --study" in done("pause", *STUDY_FLAG).out
    assert "paused" in done("list").out
    done("pause", *STUDY_FLAG)
    assert "was paused" in refuse(3, "worker", *STUDY_FLAG)
    done("stop", *STUDY_FLAG)
    done("stop", *STUDY_FLAG)
    assert "nothing to pause" in refuse(3, "pause", *STUDY_FLAG)


def test_a_study_is_queued_with_a_priority_that_may_change() -> None:
    queued = done("submit", "--study", "later", "--objective", "digits-depth", "--trials", "2", "--priority", "3")
    assert "queued with priority 3" in queued.out
    assert "search worker" in queued.out
    done("pause", "--study", "later")
    assert done("submit", "--study", "later", "--priority", "-1", "--json").document["priority"] == -1
    assert "waiting" in done("list").out
    assert "priority -1" in done("status", "--study", "later").out
    assert "may be raised but not" in refuse(2, "submit", "--study", "later", "--trials", "1")
