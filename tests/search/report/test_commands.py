"""`plot`, `curves`, `list` and `status --watch` on one small study, which is trained first."""

from __future__ import annotations

import json
import os
import pty
import select
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
import pyte
import pytest

from search import NothingToDo, Study
from search.display.live import run_report, watch_report
from search.display.live.keys import hide_keys, read_keys
from search.display.live.live_table import LiveTable
from search.report.plots.registry import PLOTS
from search.settings import load
from storage import url
from storage.database import open_database
from storage.leasing import leases, workers
from storage.leasing.beats import Beat
from storage.optuna_adapter import get_trial_id
from storage.records import epochs, studies
from tests.search.command import done, search

NAME = "digits-small"
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("kept_home")]


def test_a_study_without_trials_has_nothing_to_show() -> None:
    space = {"width": "16:32", "optimizer": "adamw"}
    with Study.create(
        NAME, "digits-depth", trials=2, epochs=2, overrides=space, experience="none", pruner="none"
    ) as study:
        with pytest.raises(NothingToDo, match=f"this plot needs 1 completed trial, but study '{NAME}' has 0"):
            study.plot("history")
        assert len(study.plot("curves").data) == 0
        ended = search("curves", "--study", NAME)
        assert (ended.code, "no epoch of any trial" in ended.err) == (3, True)
        study.run(workers=1, device="cpu")


def test_plots_are_written_from_the_command_and_from_python(tmp_path: Path) -> None:
    ended = done("plot", "--study", NAME, "slice", cwd=tmp_path)
    assert ended.out == f"{NAME}-slice.html: {PLOTS['slice'].description}\n"
    assert "Plotly.newPlot" in (tmp_path / f"{NAME}-slice.html").read_text()
    with Study.open(NAME) as study:
        [best] = [trace for trace in study.plot("curves").data if trace.name == "the best"]
        assert study.best is not None
        assert max(value for value in best.y if value is not None) == study.best.value
        assert [len(trace.x) for trace in study.plot("timeline").data] == [2]
        trials = sorted(study.trials, key=lambda trial: trial.value or 0.0)
        assert f"trial {trials[1].number}" in study.plot("confusion").layout.title.text
    named = ("--trial", str(trials[0].number), "-o", "confused.json")
    assert done("plot", "--study", NAME, "confusion", *named, cwd=tmp_path).out.startswith(
        "confused.json: which classes"
    )
    right = json.loads((tmp_path / "confused.json").read_text())
    assert f"trial {trials[0].number}" in right["layout"]["title"]["text"]
    for arguments, code, says in (
        (["confusion", "--trial", "2"], 2, "has 2 trials, counted from 0, but got 2"),
        (["slice", "--trial", "0"], 2, "--trial is for a plot of a single trial"),
        (["slices"], 2, "did you mean slice?"),
        (["slice", "-o", "a.gif"], 2, ".html"),
        (["importances"], 3, "importances need 20 completed trials"),
    ):
        refused = search("plot", "--study", NAME, *arguments, cwd=tmp_path)
        assert (refused.code, says in refused.err) == (code, True), refused.err


def test_curves_are_a_table_a_document_a_drawing_and_a_figure(tmp_path: Path) -> None:
    with Study.open(NAME) as study:
        stored = {trial.number: study.curves(trial) for trial in study.trials}
        ranked = sorted(study.trials, key=lambda trial: -(trial.value or 0.0))
    document = done("curves", "--study", NAME, "--json", "--metric", "loss").document
    assert (document["study"], document["metric"], document["epochs"]) == (NAME, "loss", 2)
    assert [each["trial"] for each in document["trials"]] == [trial.number for trial in ranked]
    assert [tuple(each["values"]) for each in document["trials"]] == [stored[t.number]["loss"] for t in ranked]
    title, headings, *rows = done(
        "curves", "--study", NAME, "--trial", "1", "--metric", "learning_rate"
    ).out.splitlines()
    assert (title, headings.split()) == (f"learning_rate of study {NAME}", ["epoch", "trial", "1"])
    assert [row.split() for row in rows] == [
        [str(epoch + 1), f"{value:.4g}"] for epoch, value in enumerate(stored[1]["learning_rate"])
    ]
    drawn = done("curves", "--study", NAME, "--plot").out.splitlines()
    assert len(drawn) == 1 + 2 * 5
    assert "█" in drawn[2]
    done("curves", "--study", NAME, "-o", tmp_path / "loss.html", "--metric", "loss")
    assert "trial 1 (complete)" in (tmp_path / "loss.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--metric", "los"], "unknown metric 'los'; did you mean loss"),
        (["--trial", "7"], "has 2 trials, counted from 0"),
    ],
)
def test_curves_refuse_what_does_not_exist(arguments: list[str], says: str) -> None:
    refused = search("curves", "--study", NAME, *arguments)
    assert (refused.code, says in refused.err) == (2, True), refused.err


def test_a_study_that_has_ended_is_listed_and_watched_to_its_end() -> None:
    with Study.open(NAME) as study:
        best = study.best
    assert best is not None
    _, row = done("list").out.splitlines()
    assert row.split() == [NAME, "digits-depth", "done", "2/2", f"{best.value:.4f}", "(trial", f"{best.number})"]
    assert done("status", "--study", NAME, "--watch").out.startswith(f"{NAME}: 2 of 2 trials (2 complete); best")
    assert done("status", "--study", NAME, "--watch", "--json").document["states"]["complete"] == 2


class Terminal:
    """A terminal of 80 x 24."""

    def __init__(self) -> None:
        self.ours, self.its = pty.openpty()
        termios.tcsetwinsize(self.its, (24, 80))
        self.screen = pyte.Screen(80, 24)
        self._stream = pyte.ByteStream(self.screen)

    def read_until(self, text: str) -> None:
        """Read what is shown until the text is on the screen."""
        while not any(text in line for line in self.screen.display):
            assert select.select([self.ours], [], [], 30)[0], self.screen.display
            self._stream.feed(os.read(self.ours, 65536))


@contextmanager
def open_terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    """Yield a terminal that is the standard input and output of this process."""
    made = Terminal()
    for name, value in (("COLUMNS", "80"), ("LINES", "24"), ("TERM", "xterm-256color")):
        monkeypatch.setenv(name, value)
    with open(os.dup(made.its)) as reading, open(os.dup(made.its), "w") as writing, monkeypatch.context() as patched:
        patched.setattr(sys, "stdin", reading)
        patched.setattr(sys, "stdout", writing)
        yield made
    os.close(made.its)
    os.close(made.ours)


def test_a_study_that_others_run_is_watched_until_q(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    with open_terminal(monkeypatch) as terminal, open_database(url.parse(address)) as database:
        record = studies.get(database.engine, NAME)
        studies.raise_budget(database.engine, record.study_id, 3)
        trial_id = get_trial_id(optuna.load_study(study_name=NAME, storage=database.optuna).ask())
        worker = workers.new_worker_id()
        with database.engine.begin() as connection:
            lease = leases.claim(connection, record.study_id, trial_id, worker, 60.0)
        beat = Beat(worker=worker, study_id=record.study_id, device="cuda:7", trial=2, epoch=0)
        epochs.record(database.engine, beat, lease, {0: {"accuracy": 0.125}}, lease_seconds=60.0)
        before = studies.get(database.engine, NAME)
        settings = termios.tcgetattr(terminal.its)
        watching = threading.Thread(target=watch_report.watch_study, args=(NAME, load()), kwargs={"as_json": False})
        watching.start()
        terminal.read_until("cuda:7")
        [shown] = [line for line in terminal.screen.display if line.startswith("2  ")]
        assert shown.split()[1:4] == ["1/2", "▁▁▁▁▁▁······", "0.1250"]
        assert termios.tcgetattr(terminal.its)[3] & (termios.ICANON | termios.ECHO) == 0
        os.write(terminal.ours, b"xq")
        watching.join(30)
        assert not watching.is_alive()
        assert termios.tcgetattr(terminal.its) == settings
        assert studies.get(database.engine, NAME) == before


def test_run_and_worker_show_the_live_view_on_a_terminal_and_lines_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    def are_live() -> list[bool]:
        found = (
            run_report.choose_display(as_json=False),
            run_report.choose_worker_display(),
            watch_report.choose_view(as_json=False),
            run_report.choose_display(as_json=True),
        )
        return [isinstance(display, LiveTable) for display in found]

    assert are_live() == [False] * 4
    with open_terminal(monkeypatch):
        assert are_live() == [True, True, True, False]
        monkeypatch.setenv("TERM", "dumb")
        assert are_live() == [False] * 4


def test_the_terminal_is_as_it_was_after_an_interruption(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        with hide_keys(), read_keys() as keys:
            assert not keys.wait(0.01)
            raise KeyboardInterrupt

    with open_terminal(monkeypatch) as terminal:
        settings = termios.tcgetattr(terminal.its)
        with pytest.raises(KeyboardInterrupt):
            interrupt()
        assert termios.tcgetattr(terminal.its) == settings
