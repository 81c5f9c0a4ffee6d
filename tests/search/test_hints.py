"""The commands that messages name can be copied into a shell and run."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest

from search.cli.app import find_commands
from search.errors import NothingToDo
from storage.database import Database
from storage.errors import format_command
from storage.records import studies
from tests.search.command import search
from tests.search.earlier import Past, drawn, make, planned
from tests.test_architecture import MAY_IMPORT, ROOT, modules

NAMES = "|".join([*(command.name for command in find_commands()), "--config", "--debug"])
COMPOSED = re.compile(rf"\bsearch ({NAMES})\b[^`;]*\{{\}}|`search \{{\}}")


def composed_hints(path: Path) -> list[str]:
    """Commands of ours in a file's texts that have a value pasted in."""
    return [
        f"{path.relative_to(ROOT)}:{node.lineno}: {text}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.JoinedStr)
        for text in ["".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)]
        if COMPOSED.search(text)
    ]


def test_no_hint_is_composed_by_hand() -> None:
    assert [hint for package in MAY_IMPORT for path in modules(package) for hint in composed_hints(path)] == []


def test_a_hint_that_is_composed_by_hand_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.search.test_hints.ROOT", tmp_path)
    file = tmp_path / "a.py"
    file.write_text('say(f"next: search final --study {name}")\nsay(f"the search found {name}")\n')
    assert len(composed_hints(file)) == 1


@pytest.mark.parametrize("name", ["my study", "a;b", "$(id)", "x <img> | `b`", "&", "plain"])
def test_a_name_is_one_word_of_the_command(name: str) -> None:
    assert shlex.split(format_command("final", "--study", name)) == ["search", "final", "--study", name]
    assert format_command("final", "--study", "plain") == "search final --study plain"


def test_what_status_and_stop_name_works_for_a_study_with_a_space(database: Database) -> None:
    plan = planned("my study")
    space = plan.found.objective.space
    make(database, plan, "my study", [Past(parameters=drawn(space, 1), curve=[0.1, 0.2, 0.3])], budget=1)
    stopped = search("stop", "--study", "my study")
    hint = stopped.out.strip().partition("continue with: ")[2]
    assert hint == "search resume --study 'my study'"
    resumed = search(*shlex.split(hint)[1:])
    assert resumed.code == 0
    assert resumed.out.splitlines()[-1] == "next: search final --study 'my study'"


def test_a_study_whose_trials_all_diverged_names_a_command_that_trains_more(database: Database) -> None:
    plan = planned("nan")
    space = plan.found.objective.space
    diverged = {"reason": "diverged"}
    from optuna.trial import TrialState

    past = [Past(parameters=drawn(space, n), curve=[], state=TrialState.PRUNED, attributes=diverged) for n in range(2)]
    made = make(database, plan, "nan", past, budget=2)
    ended = search("final", "--study", "nan")
    assert ended.code == NothingToDo.code
    assert "has no completed trial; its budget is spent (2 of 2 diverged)" in ended.err
    assert "`search resume --study nan --trials 4`" in ended.err
    studies.raise_budget(database.engine, made.study_id, 2, 2)
    assert "`search resume --study nan --trials 4 --budget 2R`" in search("final", "--study", "nan").err


def test_a_misspelt_study_is_told_from_an_unknown_objective(database: Database) -> None:
    studies.create(database, "mine", {"objective": "made-up"}, 1)
    told = {name: search("run", "--study", name) for name in ("mien", "fashion-dpeth")}
    assert {name: ended.code for name, ended in told.items()} == dict.fromkeys(told, 2)
    assert "neither a study nor an objective is called 'mien'; did you mean the study mine?" in told["mien"].err
    assert "unknown objective 'fashion-dpeth'; did you mean fashion-depth" in told["fashion-dpeth"].err
    studies.create(database, "fashion-deep", {"objective": "made-up"}, 1)
    both = search("run", "--study", "fashion-dpeth").err
    assert "did you mean the study fashion-deep, or the objective fashion-depth or" in both
