"""What `run` says a plan will do, and what it says was done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from search.display.live.run_report import conclude, describe_plan, list_places
from search.display.status_report import format_status
from search.settings import load
from search.study.status_types import BestTrial, Budget, TrialCounts
from tests.search.display.live.test_live_table import STATUS
from tests.search.display.test_final_report import FIRST


@pytest.mark.parametrize(
    ("trials", "epochs", "says"),
    [
        (30, None, "30 trials of up to 20 epochs: about 30 full trainings; about 30 will complete"),
        (1, None, "1 trial of up to 20 epochs: about 1 full training; about 1 will complete"),
        (None, 400, "20 full trainings' worth of epochs: about 20 trials of up to 20 epochs; about 20 will complete"),
        (None, 10, "0.5 full trainings' worth of epochs: about 1 trial of up to 20 epochs; about 1 will complete"),
        (None, 20, "1 full training's worth of epochs: about 1 trial of up to 20 epochs; about 1 will complete"),
        (30, 50, "2.5 full trainings' worth of epochs: about 3 trials of up to 20 epochs; about 3 will complete"),
        (3, 400, "3 trials of up to 20 epochs: about 3 full trainings; about 3 will complete"),
    ],
)
def test_a_plan_is_one_sentence(trials: int | None, epochs: int | None, says: str) -> None:
    assert describe_plan("none", Budget(trials=trials, left=None, epochs=epochs), 20) == says


@pytest.mark.parametrize(
    ("budget", "said", "shown"),
    [
        (Budget(trials=30, left=0, epochs=None), "30 of 30 trials, 171 epochs:", "0 left of 30, 171 epochs trained"),
        (Budget(trials=None, left=0, epochs=170), "30 trials, 171 of 170 epochs:", "; 171 of 170 epochs trained"),
        (
            Budget(trials=40, left=0, epochs=170),
            "30 of 40 trials, 171 of 170 epochs:",
            "0 left of 40, 171 of 170 epochs trained",
        ),
    ],
)
def test_what_was_done_is_one_sentence(
    capsys: pytest.CaptureFixture[str], budget: Budget, said: str, shown: str
) -> None:
    counts = TrialCounts(complete=5, pruned=25, running=0, waiting=0, fail=0)
    status = replace(STATUS, study="s", objective="o", states=counts, budget=budget, epochs_trained=171, best=None)
    conclude(status, 20)
    assert capsys.readouterr().out.splitlines()[0] == f"study s: {said} 8.6 full trainings; 5 completed"
    assert format_status(status)[0].endswith(shown)


def test_the_next_command_finds_the_same_data_and_storage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SEARCH_DATA", str(tmp_path))
    assert list_places(load(data=tmp_path, storage="postgresql://me:hunter2@db/search")) == []
    flags = list_places(load(data=Path("my data"), storage="postgresql://db/search"))
    assert flags == ["--data", "my data", "--storage", "postgresql://db/search"]
    best = BestTrial(trial=1, value=0.9, epoch=None, params={})
    conclude(replace(STATUS, study="s", best=best, final=None), 20, flags[:2])
    assert capsys.readouterr().out.splitlines()[-1] == "next: search final --study s --data 'my data'"


def test_what_was_cut_short_is_continued_by_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    short = replace(STATUS, study="s", budget=Budget(trials=30, left=8, epochs=None), workers=())
    conclude(short, 20)
    assert capsys.readouterr().out.splitlines()[1] == "not finished; continue with: search resume --study s"
    conclude(replace(short, budget=Budget(trials=30, left=0, epochs=None)), 20)
    assert "continue" not in capsys.readouterr().out


def test_a_study_that_was_scored_is_not_sent_to_be_scored(capsys: pytest.CaptureFixture[str]) -> None:
    best = BestTrial(trial=1, value=0.9, epoch=None, params={})
    conclude(replace(STATUS, best=best, final=FIRST), 20)
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"test accuracy 0.8997 (trial 1), scored {FIRST.scored_at}"
