"""The comparison on real training: its plan, its tables, and whole runs of it on something small."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from search.errors import UsageError
from tests.benchmarks.real_training import table
from tests.benchmarks.real_training.comparison import Run, Settings, parse_methods, plan_batches, write_flags
from tests.benchmarks.real_training.outcomes import Outcome, Trial, read_finished, write
from tests.search.command import done

SETTINGS = Settings(
    objective="digits-depth", seconds=100, train_examples=None, epochs=None, workers=1, device="cpu", at_once=1
)
METHODS = ("--objective", "digits-depth", "--seeds", "1", "--methods", "default,tpe+median")


def outcome(method: str, seed: int, *trials: Trial) -> Outcome:
    """A run that has had its time."""
    return Outcome(
        method=method,
        seed=seed,
        settings=SETTINGS,
        study="a study",
        ended="done",
        hardware="a machine",
        full_training=2,
        trials=trials,
    )


def trial(number: int, state: str, *curve: tuple[float, float]) -> Trial:
    return Trial(number=number, state=state, curve=curve)


def command(*arguments: str | Path) -> list[str]:
    """What runs the comparison."""
    return [sys.executable, "-m", "tests.benchmarks.real_training", *map(str, arguments)]


def find_rows(text: str, method: str) -> list[list[str]]:
    """The cells of a method in each table."""
    found = re.findall(rf"^\| {re.escape(method)} \| (.*) \|$", text, re.MULTILINE)
    return [[cell.strip() for cell in row.split("|")] for row in found]


def test_a_batch_holds_all_methods_of_a_seed() -> None:
    batches = plan_batches(["default", "tpe+median"], range(3), 4)
    assert [[run.name for run in batch] for batch in batches] == [
        ["default-0", "tpe+median-0", "default-1", "tpe+median-1"],
        ["default-2", "tpe+median-2"],
    ]
    assert [len(batch) for batch in plan_batches(["default", "tpe+median"], range(3), 1)] == [1] * 6
    with pytest.raises(UsageError, match=r"a multiple of the number of methods, 2, .* but got 3"):
        plan_batches(["default", "tpe+median"], range(3), 3)


@pytest.mark.parametrize("methods", ["tpe", "default,bayes+median", "default,tpe+ash", "default,default"])
def test_unknown_and_repeated_methods_are_refused(methods: str) -> None:
    with pytest.raises(UsageError):
        parse_methods(methods)


def test_only_the_default_with_experience_learns_from_earlier_studies() -> None:
    learned = {
        method: flags[flags.index("--experience") + 1]
        for method in parse_methods("default,default+experience,random+halving")
        if (flags := write_flags(SETTINGS, Run(method=method, seed=0), "a study"))
    }
    assert learned == {"default": "none", "default+experience": "shipped", "random+halving": "none"}


def test_the_tables_count_what_was_known_at_each_time() -> None:
    late = trial(1, "COMPLETE", (60, 0.5), (101, 0.9))  # its last epoch came after the study's time
    runs = [
        outcome("default", 0, trial(0, "COMPLETE", (5, 0.2), (40, 0.6)), late),
        outcome("default", 1, trial(0, "COMPLETE", (5, 0.4), (40, 0.3)), trial(1, "RUNNING")),
        outcome("tpe+median", 0, trial(0, "PRUNED", (5, 0.7)), trial(1, "COMPLETE", (10, 0.1), (20, 0.3))),
        outcome("tpe+median", 1, trial(0, "RUNNING", (30, 0.5))),
    ]
    text = table.write(runs, ["default", "tpe+median"], 100)
    none, both = "0 of 2 have one", "0.500 (0.100)"
    completed, seen, spent = find_rows(text, "default")
    assert completed == [none, none, both, both, both, ""]
    assert seen == ["0.300 (0.100)", "0.300 (0.100)", both, both, both, ""]
    assert spent == ["2", "2.5", "1.2", "2.0", "1.0"]
    completed, seen, spent = find_rows(text, "tpe+median")
    assert completed == [none, *["1 of 2 have one"] * 5]
    assert seen == ["1 of 2 have one", "1 of 2 have one", *["0.600 (0.100)"] * 3, "-0.100 (0.000)"]
    assert spent == ["2", "2.0", "1.0", "1.5", "0.5"]


def test_a_finished_run_is_kept_and_one_of_other_settings_refused(tmp_path: Path) -> None:
    kept, file = outcome("default", 0, trial(0, "COMPLETE", (5.0, 0.2), (40.0, 0.6))), tmp_path / "runs" / "one.json"
    assert read_finished(file, SETTINGS) is None
    write(kept, file)
    again = read_finished(file, SETTINGS)
    assert again is not None
    assert (again.completed(100), again.seen(10), again.settings) == (0.6, 0.2, SETTINGS)
    other = Settings(**{**vars(SETTINGS), "seconds": 50})
    with pytest.raises(UsageError, match="other settings"):
        read_finished(file, other)
    write(Outcome(**{**vars(kept), "ended": "exit code 1"}), file)
    assert read_finished(file, SETTINGS) is None


@pytest.mark.long
def test_an_interrupt_ends_all_runs_and_what_they_came_to_is_what_the_studies_say(tmp_path: Path, home: Path) -> None:
    line = command(*METHODS, "--at-once", "2", "--minutes", "9", "--epochs", "2", "--home", home, "--out", tmp_path)
    running = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for_completed_trials([tmp_path / "logs" / f"{method}-0.txt" for method in ("default", "tpe+median")])
    running.send_signal(signal.SIGTERM)
    out, err = running.communicate(timeout=60)
    assert (running.returncode, "default-0: interrupted" in out) == (130, True), err
    for row in json.loads((tmp_path / "results.json").read_text())["runs"]:
        kept = json.loads((tmp_path / "runs" / f"{row['method']}-0.json").read_text())
        status = done("status", "--study", kept["study"], "--json").document
        assert row["ended"] == "interrupted"
        assert row["trials started"][-1] == sum(status["states"].values())
        assert row["completed"][-1] == status["states"]["complete"] > 0
        assert row["best completed"][-1] == status["best"]["value"] <= row["best seen"][-1]


def wait_for_completed_trials(logs: Sequence[Path]) -> None:
    """Wait until each study has completed a trial."""
    limit = time.monotonic() + 200
    while not all(log.exists() and "epochs, complete" in log.read_text() for log in logs):
        assert time.monotonic() < limit, "no trial completes"
        time.sleep(0.1)
