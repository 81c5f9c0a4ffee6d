"""What a process asks its children to do first, in real interpreters."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from objectives.importing.children import call_in_children
from objectives.importing.startup.sitecustomize import VARIABLE

CALL = "import sys\ndef start(argument):\n    sys.called = argument\n"
ASK = "import sys, os; print(getattr(sys, 'called', None), getattr(sys, 'theirs', None), 'helper' in sys.modules)"


def run(*arguments: str) -> str:
    ended = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)
    assert ended.stderr == ""
    return ended.stdout.strip()


@pytest.fixture
def called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask for a call, beside a sitecustomize of the user's own that imports a module of its own."""
    (tmp_path / "call.py").write_text(CALL)
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text("import sys, helper; sys.theirs = 'theirs'")
    (tmp_path / "site" / "helper.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    monkeypatch.setenv(VARIABLE, "[]")
    for _ in range(2):  # a second time changes nothing
        call_in_children(str(tmp_path / "call.py"), "ours")


@pytest.mark.usefixtures("called")
def test_a_child_makes_the_call_and_then_runs_the_sitecustomize_of_its_environment() -> None:
    assert run("-c", ASK) == "ours theirs True"
    nested = (
        f"import subprocess, sys; print(subprocess.run([sys.executable, '-c', {ASK!r}], stdout=-1).stdout.decode())"
    )
    assert run("-c", nested) == "ours theirs True"
    assert len(os.environ["PYTHONPATH"].split(os.pathsep)) == 2


@pytest.mark.usefixtures("called")
@pytest.mark.parametrize("flag", ["-I", "-E", "-S"])
def test_a_child_that_ignores_the_environment_or_site_works_as_before(flag: str) -> None:
    assert run(flag, "-c", ASK) == "None None False"


@pytest.mark.usefixtures("called")
def test_a_child_finds_nothing_more_than_before() -> None:
    assert "startup" not in run("-c", "import sys; print(sys.path)")
