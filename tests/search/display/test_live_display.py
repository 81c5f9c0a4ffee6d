"""What a study in training shows, whatever the storage holds."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from search.api.training import Progress
from search.display.live_display import LiveTable, LogLines
from search.strategies.pruners.audit import PruningAudit
from search.study.spec import PolicyPeriod
from search.study.status_types import BestTrial, Budget, Status, TrialCounts, WorkerState
from search.study.trials import Trial, Trials

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
