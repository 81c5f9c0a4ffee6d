"""The `search` program finds depthsearch's packages, whatever else has their names."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from objectives.importing.children import call_in_children
from objectives.importing.startup.sitecustomize import VARIABLE
from search.cli import own_packages
from search.cli.own_packages import NAMES
from tests.test_architecture import ROOT

SCRIPT = ROOT / "search" / "cli" / "search"


def run_script(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the program in a folder, from a folder `bin` beside that."""
    program = folder.parent / "bin" / "search"
    program.parent.mkdir(exist_ok=True)
    shutil.copy(SCRIPT, program)
    command, variables = [sys.executable, str(program), *words], {**os.environ, **environment}
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with modules and packages of all four names."""
    project = tmp_path / "project"
    for name in NAMES[:2]:
        (project / name).mkdir(parents=True)
        (project / name / "__init__.py").write_text("X = 1\n")
    for name in NAMES[2:]:
        (project / f"{name}.py").write_text("X = 1\n")
    return project


def test_it_starts_in_a_project_with_modules_of_these_names(project: Path) -> None:
    shown = run_script(project, "--help", PYTHONPATH=".")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith("Usage: search ")


ASK = """
import multiprocessing
def ask():
    return multiprocessing.get_context("spawn").Pool(1).apply(eval, ("__import__('storage').__file__",))
"""


@pytest.fixture
def asked(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a command that runs in the project."""
    monkeypatch.setenv("PYTHONPATH", str(project))
    monkeypatch.delenv(VARIABLE, raising=False)
    call_in_children(own_packages.__file__, str(ROOT))


@pytest.mark.usefixtures("asked")
def test_a_process_of_multiprocessing_finds_ours(project: Path) -> None:
    as_a_command = f"import os\nos.environ[{VARIABLE!r}] = {os.environ[VARIABLE]!r}\n"
    assert run_python(project, "-c", f"{ASK}{as_a_command}print(ask())") == f"{ROOT / 'storage' / '__init__.py'}\n"


@pytest.mark.usefixtures("asked")
def test_a_program_of_the_users_and_its_processes_find_theirs(project: Path) -> None:
    (project / "program.py").write_text(f"{ASK}if __name__ == '__main__':\n    print(ask())\n")
    assert run_python(project, "program.py") == f"{project / 'storage.py'}\n"


def run_python(folder: Path, *words: str) -> str:
    return subprocess.run([sys.executable, *words], cwd=folder, stdout=subprocess.PIPE, text=True, check=True).stdout


@pytest.mark.parametrize("left", ["another's", "nothing"])
def test_a_file_that_another_distribution_replaced_is_one_sentence(left: str, tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / "site" / name).mkdir(parents=True)
        shutil.copy(ROOT / name / "__init__.py", tmp_path / "site" / name)
    (tmp_path / "site" / "search" / "cli").mkdir()
    shutil.copy(own_packages.__file__, tmp_path / "site" / "search" / "cli")
    replaced = tmp_path / "site" / "spaces" / "__init__.py"
    if left == "nothing":
        replaced.unlink()
    else:
        replaced.write_text("import gradio\n")
    described = tmp_path / "site" / "spaces-0.42.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: spaces\nVersion: 0.42.0\n")
    (described / "RECORD").write_text("spaces/__init__.py,,\n")
    shown = run_script(tmp_path / "site", "list", PYTHONPATH=str(tmp_path / "site"))
    wrong, how = ("is missing", "removed") if left == "nothing" else ("is not depthsearch's", "replaced")
    assert (shown.returncode, shown.stderr) == (
        1,
        f"error: {replaced} {wrong}: another distribution (spaces) has {how} this file of depthsearch's package "
        "'spaces'; install depthsearch in an environment of its own\n",
    )
