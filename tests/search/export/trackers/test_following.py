"""Trackers and the command at the end, while a study is trained; the tests share one and run in the order written."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from search import Study, Trial
from search.export.trackers import feed, following, on_end
from search.study.status_types import Status
from storage.leasing import workers
from storage.leasing.turns import hold_turn
from tests.search.command import done, kill_group, search, start, until
from tests.search.export.trackers.recorder import Recorder

NAME = "digits-small"
EPOCHS = 12
OWN = """
import json, os
from search import Tracker

class Own(Tracker):
    def __init__(self):
        print("\\x1b[2J printed by the tracker")
        self.file = open(os.environ["OWN_LOG"], "a", buffering=1)

    def study_started(self, study):
        print(json.dumps(["begun", os.getpid()]), file=self.file)

    def epoch(self, trial, epoch, metrics):
        print(json.dumps([trial.number, epoch]), file=self.file)

    def study_ended(self, study):
        print(json.dumps(["end", study.outcome]), file=self.file)
"""
NOTIFY = """
import json, os, sys
said = {name: value for name, value in os.environ.items() if name.startswith("SEARCH_")}
json.dump([sys.argv[2:], said, json.load(sys.stdin)], open(sys.argv[1], "w"))
print("printed by the command")
sys.exit(7)
"""
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("kept_home")]


class Killer(Recorder):
    """Kills the worker with kill -9 once it hears of an epoch."""

    def __init__(self, study: Study) -> None:
        super().__init__({})
        self._session = study._session
        self.killed: list[int] = []

    def epoch(self, trial: Trial, epoch: int, metrics: Mapping[str, float]) -> None:
        super().epoch(trial, epoch, metrics)
        if not self.killed:
            [worker] = workers.find_living(self._session.database.engine, self._session.record.study_id, 60.0)
            self.killed.append(int(worker.id.split("/")[2].partition("-")[0]))
            os.kill(self.killed[0], signal.SIGKILL)


class Hanging(Recorder):
    """Never answers the first epoch."""

    released = threading.Event()

    def epoch(self, trial: Trial, epoch: int, metrics: Mapping[str, float]) -> None:
        self.released.wait()


class Failing(Recorder):
    """Cannot be reached."""

    def trial_started(self, trial: Trial) -> None:
        raise ConnectionError("https://me:geheim@tracker/ refuses\nsecond line")


def test_a_killed_worker_a_tracker_that_fails_and_one_that_hangs_change_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(following, "SILENT_SECONDS", 0.5)
    monkeypatch.setattr(feed, "LOOK_SECONDS", 0.02)  # the worker is still at it when its first epochs are heard of
    options: dict[str, Any] = {"overrides": {"width": "64", "optimizer": "adamw"}, "experience": "none"}
    with Study.create(NAME, "digits-depth", trials=1, epochs=EPOCHS, pruner="none", **options) as study:
        killer = Killer(study)
        status = study.run(workers=1, device="cpu", trackers=[killer, Failing(), Hanging()])
        curve = study.curves(0)
    Hanging.released.set()
    assert (status.states.complete, len(killer.killed)) == (1, 1)
    epochs = [("epoch", 0, epoch, accuracy) for epoch, accuracy in zip(curve.epochs, curve["accuracy"], strict=True)]
    assert killer.calls == [("started", 0), *epochs, ("ended", 0, "complete")]
    assert [each.outcome for each in killer.studies] == [None, "finished"]
    told = [record.getMessage() for record in caplog.records if "tracker" in record.getMessage()]
    assert sorted(told) == [
        "tracker Failing was left out: ConnectionError: https://***@tracker/ refuses; training is not affected",
        "tracker Hanging was left out: it did not answer for 0 s; training is not affected",
    ]


def test_a_command_at_the_end_gets_the_study_and_cannot_change_how_the_run_ends(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "notify.py").write_text(NOTIFY)
    words = f"{sys.executable} notify.py said.json '$(id)' $HOME"
    ended = done(
        *("run", "--study", NAME, "--trials", "2", "--workers", "1", "--device", "cpu", "--json"),
        *("--track", "own.py:Own", "--on-end", words),
        cwd=tmp_path,
        env={"OWN_LOG": str(tmp_path / "log")},
    )
    assert ended.document["states"]["complete"] == 2  # stdout has nothing else
    assert ended.lines[-2:] == ["printed by the command", "WARNING: the command of --on-end ended with exit code 7"]
    arguments, said, document = json.loads((tmp_path / "said.json").read_text())
    assert arguments == ["$(id)", "$HOME"]
    best = ended.document["best"]
    assert (said["SEARCH_STUDY"], said["SEARCH_OUTCOME"], said["SEARCH_TRIALS"]) == (NAME, "finished", "2")
    assert (said["SEARCH_BEST_TRIAL"], float(said["SEARCH_BEST_VALUE"])) == (
        str(best["trial"]),
        pytest.approx(best["value"]),
    )
    assert (document["outcome"], document["status"]["best"]) == ("finished", best)
    begun, *epochs, end = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert begun[0] == "begun"
    assert epochs == [[1, epoch] for epoch in range(EPOCHS)]
    assert end == ["end", "finished"]


def test_an_interrupted_run_ends_its_trackers_and_tells_the_command(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "notify.py").write_text(NOTIFY)
    log = tmp_path / "log"
    command = start(
        *("run", "--study", NAME, "--trials", "9", "--workers", "1", "--device", "cpu"),
        *("--track", "own.py:Own", "--on-end", f"{sys.executable} notify.py said.json"),
        cwd=tmp_path,
        env={"OWN_LOG": str(log)},
    )
    until(lambda: log.exists() and "[2, 0]" in log.read_text(), "an epoch")
    kill_group(command, signal.SIGINT)
    command.communicate(timeout=60)
    assert command.returncode == 130
    assert log.read_text().splitlines()[-1] == '["end", "interrupted"]'
    _, said, document = json.loads((tmp_path / "said.json").read_text())
    assert (said["SEARCH_OUTCOME"], document["outcome"]) == ("interrupted", "interrupted")


def test_a_tracker_that_is_not_known_is_refused_before_a_study_is_made() -> None:
    refused = search("run", "--study", "new", "--objective", "digits-depth", "--track", "mlfow")
    assert (refused.code, "did you mean mlflow?" in refused.err) == (2, True)
    assert [each["study"] for each in done("list", "--json").document] == [NAME]


def test_two_runs_do_not_feed_one_tracker_at_once(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    environment = {"TENSORBOARD_LOGGING_DIR": str(tmp_path)}
    with Study.open(NAME) as study:
        record, engine = study._session.record, study._session.database.engine
        flags = ("run", "--study", NAME, "--trials", "9", "--timeout", "1", "--track", "tensorboard")
        with hold_turn(engine, record.uuid, "tracker tensorboard"):
            refused = done(*flags, env=environment)
        assert "tracker tensorboard was left out: another run of this study feeds it" in refused.err
        assert not list(tmp_path.iterdir())
        done(*flags, env=environment)
        [folder] = tmp_path.iterdir()
        assert len([place for place in folder.iterdir() if place.is_dir()]) >= 2


def test_a_command_that_hangs_is_ended(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setattr(on_end, "SECONDS", 0.2)
    with Study.open(NAME) as study:
        status: Status = study.status()
    on_end.run_command(["sh", "-c", f"sleep 60 & echo $! > {tmp_path}/pid; wait"], "finished", status, None)
    assert [record.getMessage() for record in caplog.records] == ["the command of --on-end was ended after 0 s"]
    child = int((tmp_path / "pid").read_text())
    until(lambda: not Path(f"/proc/{child}/stat").exists() or is_zombie(child), "the command's child to end")


def is_zombie(process: int) -> bool:
    return ") Z " in Path(f"/proc/{process}/stat").read_text()
