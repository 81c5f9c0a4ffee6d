"""The live view in a real terminal: nothing wraps, and the terminal is afterwards as it was."""

from __future__ import annotations

import re

import optuna
import pytest

from search import Study
from storage import url
from storage.database import open_database
from storage.leasing import leases, workers
from storage.leasing.beats import Beat
from storage.optuna_adapter import get_trial_id
from storage.records import epochs, studies
from tests.search.command import done
from tests.search.display.live.tmux import PROMPT, SEARCH, Pane, open_pane

NAME = "digits-watched"
HOSTILE, SHOWN = "\x1b]0;P\x07\u202e", r"\x1b]0;P"
SIZES = [(80, 24), (200, 50)]
COLOURS = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])[;m]")
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("kept_home")]


@pytest.fixture(scope="module")
def trial_id(address: str) -> int:
    """A study in which a worker elsewhere, whose device has a hostile name, has trained two epochs of a trial."""
    Study.create(NAME, "digits-depth", trials=9, epochs=8, experience="none", storage=address).close()
    with open_database(url.parse(address)) as database:
        record = studies.get(database.engine, NAME)
        trial = optuna.load_study(study_name=NAME, storage=database.optuna).ask()
        worker = workers.new_worker_id()
        with database.engine.begin() as connection:
            lease = leases.claim(connection, record.study_id, get_trial_id(trial), worker, 600.0)
        beat = Beat(worker=worker, study_id=record.study_id, device=HOSTILE, trial=0, epoch=1)
        reports = {epoch: {"accuracy": 0.25 + epoch / 4, "seconds": 1.5} for epoch in range(2)}
        epochs.record(database.engine, beat, lease, reports, lease_seconds=600.0)
        return get_trial_id(trial)


def check_not_wrapped(pane: Pane, columns: int) -> None:
    """Check that no line of the view goes on in the next one."""
    lines = pane.screen().rstrip("\n").split("\n")
    place = next(index for index, line in enumerate(lines) if line.startswith("trial  "))
    assert max(map(len, lines)) <= columns
    joined = pane.screen("-J").rstrip("\n").split("\n")  # with the lines that the terminal wrapped as one
    below = len(lines) - place
    assert [line.rstrip() for line in lines[-below:]] == [line.rstrip() for line in joined[-below:]]


def check_clean(pane: Pane, modes: str, code: int) -> None:
    """Check that the terminal is as it was, and how the command has ended."""
    pane.until(lambda: pane.screen().rstrip("\n").split("\n")[-1] == PROMPT, "the prompt on a line of its own")
    assert (pane.describe("cursor_flag"), pane.describe("alternate_on")) == ("1", "0")
    assert pane.modes() == modes
    pane.type("echo code=$?")
    pane.until_shown(f"code={code}\n")


def watch(pane: Pane) -> str:
    pane.type(f"clear; {SEARCH} status --study {NAME} --watch")
    return pane.until_shown(re.escape(SHOWN))


@pytest.mark.parametrize(("columns", "lines"), SIZES)
def test_a_study_is_watched_in_a_terminal_and_left_with_q(trial_id: int, columns: int, lines: int) -> None:
    with open_pane(columns, lines) as pane:
        modes = pane.modes()
        shown = watch(pane)
        [row] = [line for line in shown.split("\n") if line.startswith("0  ")]
        assert row.split()[:2] == ["0", "2/8"]
        assert re.findall(r"\d+\.\d+", row)[:3] == ["0.5000", "0.5000", "1.50"]
        assert f"{NAME}: 0/9 trials (1 running)" in shown
        assert all(part in shown for part in ("2 epochs trained", "40 epochs/min", "at most 2 min left"))
        check_not_wrapped(pane, columns)
        assert COLOURS.search(pane.screen("-e")) is None  # nothing is best, stopped or failed yet
        pane.press("x")
        pane.press("q")
        check_clean(pane, modes, 0)
        assert "^" not in pane.screen()


def test_a_narrower_terminal_shows_one_view_and_an_interrupted_one_is_left_clean(trial_id: int) -> None:
    with open_pane(200, 50) as pane:
        modes = pane.modes()
        watch(pane)
        pane.ask("resize-window", "-x", "72", "-y", "20")
        pane.until(lambda: "epoch  curve" in pane.screen(), "the narrow view")
        assert (pane.screen().count("s/epoch"), pane.screen().count(NAME)) == (1, 1)
        check_not_wrapped(pane, 72)
        pane.press("C-c")
        check_clean(pane, modes, 130)


@pytest.mark.long
@pytest.mark.parametrize(("columns", "lines"), SIZES)
def test_a_search_runs_in_a_terminal_and_is_interrupted(columns: int, lines: int) -> None:
    study = f"digits-{columns}"
    with open_pane(columns, lines) as pane:
        modes = pane.modes()
        run = f"run --study {study} --objective digits-depth --workers 2 --device cpu --trials 90 --epochs 8"
        pane.type(f"clear; {SEARCH} {run}")
        shown = pane.until_shown(r"^\d+ best (?s:.*)^\d+ +\d/8 .* cpu (?s:.*)^\d+ +\d/8 .* pruned ")
        assert ("━" in shown) == (columns >= 100)
        assert f"{study}: " in shown
        assert "saved by pruning" in shown
        check_not_wrapped(pane, columns)
        assert COLOURS.search(pane.screen("-e"))
        pane.press("C-c")
        check_clean(pane, modes, 130)
        assert "^C" not in pane.screen()


@pytest.mark.long
def test_a_terminal_without_colours_or_without_movement_gets_none(trial_id: int) -> None:
    with open_pane(80, 24, NO_COLOR="1") as pane:
        pane.type(f"clear; {SEARCH} run --study plain --objective digits-depth --trials 2 --epochs 2 --workers 1")
        pane.until_shown("next: ")
        assert "best" in pane.screen()
        assert COLOURS.search(pane.screen("-e")) is None
    with open_pane(80, 24, NO_COLOR="1") as pane:
        pane.type(f"export TERM=dumb; clear; {SEARCH} run --study dumb --objective digits-depth --trials 2 --epochs 2")
        pane.until_shown("next: ")
        assert "\x1b" not in pane.screen("-e").replace("\x1b[39m", "")
        assert re.search(r"^trial +0  0\.\d{4}", pane.screen(), re.MULTILINE)


def test_a_pipe_gets_plain_lines(trial_id: int) -> None:
    document = done("status", "--study", NAME, "--json").document
    assert (document["workers"][0]["device"], document["workers"][0]["epoch_s"]) == (HOSTILE, 1.5)
    shown = done("status", "--study", NAME).out
    assert "trial 0, epoch 2, 1.50 s an epoch" in shown
    assert SHOWN in shown
    assert "\x1b" not in shown + done("list").out
