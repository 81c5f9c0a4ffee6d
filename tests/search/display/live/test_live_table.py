"""What a study in training shows, whatever the storage holds."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import datetime

import pytest
from rich.console import Console

from search.api.training import Progress
from search.display.live.live_table import LiveTable
from search.display.live.log_lines import LogLines
from search.strategies.pruners.audit import PruningAudit
from search.study.spec import PolicyPeriod
from search.study.status_types import BestTrial, Budget, Status, TrialCounts, WorkerState
from search.study.trials import Trial, Trials
from tests.search.display.screen import show_live

ACTS, SHOWN = "\x1b]0;PWNED\x07\x1b[2J\u202e[red]", r"\x1b]0;PWNED\x07\x1b[2J\u202e[red]"
RUNNING = Trial(
    configuration=7,
    repeat=0,
    number=0,
    state="running",
    value=0.5,
    epoch=0,
    params={ACTS: ACTS},
    accuracies=(0.5,),
    reason=None,
    error=None,
    seed=1,
    started=None,
    ended=None,
)
ENDED = (
    replace(RUNNING, number=1, state="fail", error=ACTS),
    replace(RUNNING, number=2, state="fail", reason=ACTS),
    replace(RUNNING, number=3, state="pruned", reason=ACTS),
)
STATUS = Status(
    study=ACTS,
    objective=ACTS,
    direction=ACTS,
    states=TrialCounts(complete=1, pruned=1, running=1, waiting=0, fail=2),
    reasons={ACTS: 1},
    budget=Budget(trials=9, left=7, epochs=None),
    epochs_trained=4,
    best=BestTrial(trial=0, value=0.5, epoch=0, params={ACTS: ACTS}),
    workers=(WorkerState(id=ACTS, host=ACTS, device=ACTS, trial=0, epoch=0, beat_s=1.0),),
    final=None,
    control=ACTS,
    stop_reason=ACTS,
    errors=(),
    pruning=PruningAudit(stopped=0, audited=0, better=0, gain=0.0, share_95=None, epochs=0),
    policies=(PolicyPeriod(policy=ACTS, first_trial=0),),
)


@pytest.mark.parametrize(("display", "texts"), [(LiveTable, 6), (LogLines, 9)])
def test_text_of_the_storage_does_nothing_on_a_terminal(display: type[LogLines], texts: int) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=display is LiveTable, color_system=None, width=400)
    with display(console) as show:
        show(Progress(status=STATUS, trials=Trials([RUNNING]), epochs=3))
        show(Progress(status=STATUS, trials=Trials([RUNNING, *ENDED]), epochs=3))
    printed = screen.getvalue()
    assert printed.count(SHOWN) >= texts
    assert not [actor for actor in ("\x1b]", "\x07", "\x1b[2J\u202e", "\u202e") if actor in printed]


def test_parameters_that_do_not_fit_end_with_an_ellipsis() -> None:
    running = replace(RUNNING, params={"learning_rate": 0.123, "momentum": 0.456})
    status = replace(STATUS, best=None, workers=(replace(STATUS.workers[0], host="here", device="cpu"),))
    screen = io.StringIO()
    with LiveTable(Console(file=screen, force_terminal=True, color_system=None, width=80)) as show:
        show(Progress(status=status, trials=Trials([running]), epochs=3))
    [line] = {line.rstrip() for line in screen.getvalue().splitlines() if "learning" in line}
    assert line.endswith("…")


def make_progress(workers: int) -> Progress:
    """A study of 8 epochs whose best trial, number 0, has ended, and one running trial for each worker."""
    best = replace(
        RUNNING, state="complete", value=0.8, accuracies=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8), params={"width": 64}
    )
    running = [
        replace(RUNNING, number=number, value=0.46, accuracies=(0.1, 0.46), params={"learning_rate": 0.01, "width": 32})
        for number in range(1, workers + 1)
    ]
    states = [
        replace(STATUS.workers[0], host="a-host-of-a-long-name", device="cuda:0", trial=number, epoch=1, epoch_s=2.0)
        for number in range(1, workers + 1)
    ]
    status = replace(
        STATUS,
        study="cifar-depth",
        states=TrialCounts(complete=1, pruned=0, running=workers, waiting=0, fail=0),
        best=BestTrial(trial=0, value=0.8, epoch=7, params={"width": 64}),
        workers=tuple(states),
    )
    return Progress(status=status, trials=Trials([best, *running]), epochs=8)


@pytest.mark.parametrize(
    ("columns", "lines", "best", "running"),
    [(80, 24, "▁▂▂▃▄▄▅▆▆▇██", "▁▅▅·········"), (200, 50, "▁▁▁▂▂▂▃▃▃▄▄▄▅▅▅▆▆▆▇▇▇███", "▁▁▁▅▅▅")],
)
def test_a_running_curve_stands_below_the_best_on_its_scales(columns: int, lines: int, best: str, running: str) -> None:
    *above, headings, leader, first, second = [line for line in show_live(make_progress(2), columns, lines) if line]
    assert "  |  ".join(above).split("  |  ") == [
        "cifar-depth: 1/9 trials (1 complete, 2 running)",
        "best 0.8000 (trial 0, epoch 8)",
        "4 epochs trained",
        "1.0 epochs/s",
        "at most 52 s left",
    ]
    place = headings.index("curve")
    assert leader[place:].split()[0] == best
    assert first[place:].split()[0] == running
    assert (leader.split()[:3], first.split()[:2]) == (["0", "best", "8/8"], ["1", "2/8"])
    assert first.split("0.4600", 2)[2].split()[:3] == [
        "2.00",
        "a-host-of-a-long-n…" if columns == 80 else "a-host-of-a-long-name",
        "cuda:0",
    ]
    assert ("━" in first) == (columns >= 100)
    assert second.startswith("2")


def test_a_narrow_terminal_shows_whole_numbers_instead_of_curves() -> None:
    *_, headings, best, running = [line for line in show_live(make_progress(1), 40, 24) if line]
    assert headings.split()[:5] == ["trial", "epoch", "last", "best", "s/epoch"]
    assert best.split()[:5] == ["0", "best", "8/8", "0.8000", "0.8000"]
    assert running.split()[:5] == ["1", "2/8", "0.4600", "0.4600", "2.00"]


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (200, 50)])
def test_nothing_wraps_and_the_counts_stay_in_sight_with_many_workers(columns: int, lines: int) -> None:
    progress = make_progress(60)
    status = replace(progress.status, study="a-long-name-" * 20)
    shown = [line for line in show_live(replace(progress, status=status), columns, lines) if line]
    assert len(shown) == lines - 1
    assert max(map(len, shown)) <= columns
    assert re.match(r"(a-long-name-)+.*…: 1/9 trials \(1 complete, 60 running\)", shown[0])
    assert any("best 0.8000" in line for line in shown[:3])
    hidden = 60 - sum("2/8" in line for line in shown)
    assert f"and {hidden} more in training" in shown[-1]


def test_the_last_trials_that_ended_stand_below_those_in_training_the_last_one_first() -> None:
    progress = make_progress(1)
    ended = [
        replace(ENDED[0], number=2, error="no memory left", ended=datetime(2026, 1, 1, 12)),
        replace(ENDED[2], number=3, reason="diverged", params={"width": 8}, ended=datetime(2026, 1, 1, 14)),
        replace(ENDED[2], number=4, reason="pruner", params={"width": 8}, ended=datetime(2026, 1, 1, 13)),
    ]
    trials = Trials([*progress.trials, *ended])
    rows = [line.split() for line in show_live(replace(progress, trials=trials), 200, 24) if "/8 " in line]
    assert [row[0] for row in rows] == ["0", "1", "3", "4", "2"]
    assert [row[6:8] for row in rows[2:]] == [["pruned:", "diverged"], ["pruned", "width=8"], ["failed:", "no"]]


def test_a_study_that_nobody_trains_says_so_and_a_run_says_that_its_workers_start() -> None:
    progress = make_progress(0)
    assert any("no worker at present" in line for line in show_live(progress, 80, 24))
    assert any("workers are starting" in line for line in show_live(progress, 80, 24, "workers are starting"))
    done = replace(progress.status, budget=replace(progress.status.budget, left=0))
    assert not any("no worker" in line for line in show_live(replace(progress, status=done), 80, 24))
