"""How studies are listed for people."""

from __future__ import annotations

from dataclasses import replace

import pytest

from search.display.curves_report import show_curves
from search.display.status_report import fit_names, format_status, show_studies
from search.report.curves import StudyCurves, TrialCurve
from tests.search.display.live.test_live_table import ACTS, SHOWN, STATUS


def test_studies_are_listed_the_newest_first_and_what_their_names_contain_is_text(
    capsys: pytest.CaptureFixture[str],
) -> None:
    old = replace(STATUS, study="old", objective="/home/you/mine.py", control="run")
    show_studies([old, replace(old, study=ACTS)])
    headings, *rows = capsys.readouterr().out.splitlines()
    assert headings.split() == ["study", "objective", "state", "trials", "best", "test", "workers"]
    assert [row.split()[:2] for row in rows] == [[SHOWN, "mine.py"], ["old", "mine.py"]]
    assert rows[0].split()[2:] == ["training", "2/9", "0.5000", "(trial", "0)", "1"]


@pytest.mark.parametrize(
    ("columns", "study", "objective"),
    [
        (60, "a" * 30, "b" * 20),
        (45, "a" * 30, "b" * 14 + "…"),
        (30, "a" * 17 + "…", "b" * 11 + "…"),
        (10, "a" * 11 + "…", "b" * 11 + "…"),
    ],
)
def test_objectives_are_cut_before_studies(columns: int, study: str, objective: str) -> None:
    assert fit_names(["a" * 30, "short"], ["b" * 20, "b"], columns) == ([study, "short"], [objective, "b"])


def test_a_worker_is_described_with_its_epoch_counted_from_one_and_its_pace() -> None:
    worker = replace(
        STATUS.workers[0], id="a7/1/2-3/0badf00d", host="a7", device="cuda:0", trial=3, epoch=4, epoch_s=1.25
    )
    lines = format_status(replace(STATUS, workers=(worker,)))
    assert "worker 0badf00d on a7 cuda:0: trial 3, epoch 5, 1.25 s an epoch, last seen 1 s ago" in lines


def test_curves_that_do_not_fit_beside_each_other_stand_below(capsys: pytest.CaptureFixture[str]) -> None:
    trials = tuple(
        TrialCurve(trial=100 + number, state="complete", reason=None, values=(0.5, 0.25)) for number in range(20)
    )
    show_curves(StudyCurves(study="s", metric="accuracy", epochs=2, trials=trials))
    title, *lines = capsys.readouterr().out.splitlines()
    assert title == "accuracy of study s"
    assert [len(line.split()) for line in lines] == [33, 17, 17, 9, 5, 5]
    assert lines[4].split() == ["1", *["0.5"] * 4]
    assert max(map(len, lines)) <= 200
