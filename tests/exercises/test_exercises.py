"""Every exercise's commands run, with a small budget on small images; the page is of what they printed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.exercises.catalogue import EXERCISES, Command
from tests.exercises.page import PAGE, write_page
from tests.objectives.data import made
from tests.search.command import done

# Of the whole: what decides how long a command takes.
SMALL = {"--train-examples": "60", "--epochs": "1", "--repeats": "2", "--trials": "2"}
ADDED = {"lr-range": ("--steps", "20")}
QUICK = {"a3"}


def shrink(command: Command) -> Command:
    """The command with a small budget; what it compares stays."""
    found = list(command)
    for place, flag in enumerate(found[:-1]):
        if flag in SMALL:
            found[place + 1] = SMALL[flag]
    return (*found, *ADDED.get(command[0], ()))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders of the two data sets' names, with few images of their shapes."""
    folder = tmp_path_factory.mktemp("data")
    for name, shape in (("fashion-mnist", (28, 28, 1)), ("cifar10", (32, 32, 3))):
        for part, each in (("train", 20), ("test", 4)):
            made.write_folders(folder / name / part, made.part(10, each, shape), [f"class {k}" for k in range(10)])
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.long) for name in EXERCISES]
)
def test_an_exercise_is_answered(name: str, data: Path, database_url: str, tmp_path: Path) -> None:
    for command in EXERCISES[name].commands:
        storage = () if command[0] == "lr-range" else ("--storage", database_url)
        ended = done(*shrink(command), *storage, "--data", data, cwd=tmp_path)
        assert ended.out.strip()
        if "--repeats" in command:
            assert "standard deviation" in ended.out


def test_the_page_is_of_what_was_printed() -> None:
    assert PAGE.read_text(encoding="utf-8") == write_page(), "write it again with: python -m tests.exercises --page"


def test_every_exercise_has_an_answer() -> None:
    assert [name for name, exercise in EXERCISES.items() if not exercise.answer] == []
