"""A newcomer adds a sampler, a pruner, a flag of `run` that a study keeps, a data set and a command: one edit each.

The edits are made to a copy of the packages, and fresh processes run the copy.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from objectives.data.files.layouts import IdxFiles
from search.study.spec import StudySpec
from storage import url
from storage.database import open_database
from storage.records import studies
from tests.objectives.data import made
from tests.search.command import Ended

ROOT = Path(__file__).parent.parent.parent

SAMPLER = """
def _toss(setting: StrategySetting) -> BaseSampler:
    from optuna.samplers import RandomSampler

    return RandomSampler(seed=setting.seed)


SAMPLERS: dict[str, SamplerEntry] = {
    "toss": SamplerEntry(build=_toss, description="a made-up sampler"),
"""
PRUNER = """
    "sieve": PrunerEntry(
        build=_never,
        description="a made-up pruner",
        count_compared=lambda trials, epochs: {1: 2.0},
        foresee=foresee_none,
    ),
    "halving": PrunerEntry(
"""
OPTION = """
    mood: str | Unset = keep(
        Option(
            help="A made-up option.",
            metavar="MOOD",
            default=lambda objective: "calm",
            changes_trials=True,
            before="dull",
        )
    )
    audit: float | Unset = keep(
"""
DATASET = """
_ENTRIES = (
    Dataset(
        name="stripes",
        description="made-up stripes",
        training=(IdxFiles(folder="stripes", images="train-images", labels="train-labels"),),
        held_out=(IdxFiles(folder="stripes", images="test-images", labels="test-labels"),),
    ),
"""
COMMAND = '''
"""`search praise`."""

from typing import Annotated

import typer

from search.commands import options
from search.commands.command import Command


def praise(study: options.Study, times: Annotated[int, typer.Option(help="How often.")] = 1) -> None:
    """A made-up command."""
    from search.display.output import say

    say(f"{study} is {'very ' * times}good")


COMMAND = Command(name="praise", order=125, run=praise)
'''
# File, the line that the edit stands in place of, the edit.
EDITS = [
    ("search/strategies/registry.py", "SAMPLERS: dict[str, SamplerEntry] = {\n", SAMPLER),
    ("search/strategies/registry.py", '    "halving": PrunerEntry(\n', PRUNER),
    ("search/study/options.py", "    audit: float | Unset = keep(\n", OPTION),
    ("objectives/data/catalogue.py", "_ENTRIES = (\n", DATASET),
]
STUDY = ("run", "--study", "s", "--objective", "digits-depth", "--trials", "1", "--epochs", "1", "--workers", "1")

LATER = """
import json
import sys

from search.errors import UsageError
from search.settings import load
from search.study.create import create_or_continue
from search.study.fork import fork_study
from search.study.plan import StudyRequest
from search.study.spec import StudySpec
from storage import url
from storage.database import open_database

with open_database(url.parse(sys.argv[1])) as database:
    for mood in (None, "wild"):
        create_or_continue(database, StudyRequest(study="s", mood=mood), load())
    print("continued with None and with wild")
    try:
        create_or_continue(database, StudyRequest(study="s", mood="calm"), load())
    except UsageError as error:
        print(error)
    for mood in (None, "calm"):
        record, plan = fork_study(database, StudyRequest(study="s", fork=f"fork-{mood}", mood=mood, trials=5), load())
        print(json.dumps([record.spec["mood"], record.trials, *plan.notes]))
print(StudySpec.from_json({'objective': 'digits-depth', 'dataset': 'digits'}).mood)
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The packages that a newcomer edits, each edit one contiguous piece of one file."""
    for package in ("spaces", "objectives", "storage", "search", "tests"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name, line, edit in EDITS:
        path = tmp_path / name
        text = path.read_text()
        assert text.count(line) == 1
        assert edit.count(line) == 1
        path.write_text(text.replace(line, edit.lstrip("\n")))
    (tmp_path / "search" / "commands" / "results" / "praise.py").write_text(COMMAND)
    return tmp_path


def run_copy(copy: Path, *arguments: str) -> Ended:
    process = subprocess.run(
        [sys.executable, "-P", *arguments],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return Ended(process.returncode, process.stdout, process.stderr)


def test_help_and_docs_show_what_was_added(copy: Path) -> None:
    shown = run_copy(copy, "-m", "search", "run", "--help")
    words = " ".join(shown.out.split())
    assert "--sampler NAME toss, curves, tpe, random, qmc or grid. Default: toss." in words, shown.err
    assert "--pruner NAME rank, sieve, halving, median, hyperband or none. Default: rank." in words
    assert "--mood MOOD A made-up option." in words
    page = run_copy(copy, "-c", "from tests.docs import pages; print(pages()['samplers-and-pruners.md'])")
    assert "| `toss` (default) | a made-up sampler |" in page.out, page.err
    assert "| `sieve` | a made-up pruner |" in page.out


def test_a_command_that_was_added_is_in_the_help_and_the_docs_and_runs(copy: Path) -> None:
    listed = [
        line.split()[0] for line in run_copy(copy, "-m", "search", "--help").out.splitlines() if line[:5] == "  pra"
    ]
    assert listed == ["praise"]
    assert run_copy(copy, "-m", "search", "praise", "--study", "s", "--times", "2").out == "s is very very good\n"
    assert run_copy(copy, "-m", "search", "praise").code == 2
    page = run_copy(copy, "-c", "from tests.docs import pages; print(pages()['commands.md'])")
    assert "| [`praise`](#praise) | A made-up command. |" in page.out, page.err


def test_doctor_looks_for_a_data_set_that_was_added(
    copy: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEARCH_STORAGE", database_url)
    monkeypatch.setenv("SEARCH_DATA", str(copy / "data"))
    pixels = np.zeros((4, 8, 8, 1), dtype=np.uint8)
    layout = IdxFiles(folder="stripes", images="train-images", labels="train-labels")
    made.write(layout, copy / "data", made.Part(images=pixels, labels=np.array([0, 1, 0, 1])), ("a", "b"))
    checks = {check["check"]: check["found"] for check in run_copy(copy, "-m", "search", "doctor", "--json").document}
    assert checks["data"] == f"digits ready; stripes in {copy / 'data'}"


@pytest.mark.long
def test_a_study_takes_keeps_compares_and_passes_on_what_was_added(
    copy: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEARCH_STORAGE", database_url)
    first = run_copy(copy, "-m", "search", *STUDY, "--pruner", "sieve", "--mood", "wild", "--json")
    assert first.code == 0, first.err
    assert "--pruner sieve would compare only about 2 of 1 trials" in first.err
    with open_database(url.parse(database_url)) as database:
        stored = studies.get(database.engine, "s").spec
    assert (stored["sampler"], stored["pruner"], stored["mood"]) == ("toss", "sieve", "wild")
    assert StudySpec.from_json(stored).sampler == "toss"  # a program without the option reads the record

    later = run_copy(copy, "-c", LATER, database_url)
    assert later.code == 0, later.err
    continued, refused, carried, other, before = later.out.splitlines()
    assert continued == "continued with None and with wild"
    assert "~ mood: wild -> calm" in refused
    assert json.loads(carried)[:3] == ["wild", 6, "1 of 1 finished trials of study 's' are carried over"]
    assert json.loads(other)[:2] == ["calm", 5]
    assert "~ mood: wild -> calm" in json.loads(other)[2]
    assert before == "dull"
