"""Any command line ends with one of the exit codes, and an error is one line."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from objectives.data.catalogue import DATASETS
from objectives.discovery import objective_names
from search.cli.app import main
from search.display import documents
from search.signals import ENDING
from tests.faults.fuzz import FUZZ, NUMBERS, TEXTS

pytestmark = pytest.mark.faults

# Nothing listens there: a command that needs a storage ends at once.
NOWHERE = "postgresql://ada@127.0.0.1:1/studies"
SECRET = "hunter2horse"
COMMANDS = (
    "run",
    "resume",
    "worker",
    "stop",
    "status",
    "list",
    "curves",
    "plot",
    "final",
    "dashboard",
    "storage",
    "space",
    "data",
)
# What the operating system can pass to a program: no NUL, and lone surrogates for bytes that are not text.
ARGUMENTS = TEXTS.map(lambda text: text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")[:500])
VALUES = {
    "--study": st.one_of(st.sampled_from(("digits-depth", "digits-dept", "a/b", "")), ARGUMENTS),
    "--objective": st.one_of(
        st.sampled_from((*objective_names(), "nowhere.py", "/", "x" * 300 + ".py", "a\nb.py")), ARGUMENTS
    ),
    "--storage": st.sampled_from((NOWHERE, "sqlite:///x", "", f"mysql://u:{SECRET}@h/d", f"postgresql://u:{SECRET}/d")),
    "--set": st.one_of(
        st.builds("{}={}".format, st.sampled_from(("width", "depth", "optimizer", "widht", "")), NUMBERS),
        st.sampled_from(("width=16:32", "depth=3", "optimizer=adamw", "width=a\nb")),
        ARGUMENTS,
    ),
    "--device": st.one_of(st.sampled_from(("cpu", "all", "cuda:77", "cpu,cpu", ",")), ARGUMENTS),
    "--data": st.sampled_from(("nowhere", "", "/", "x" * 5000)),
    "--sampler": ARGUMENTS,
    "--variant": ARGUMENTS,
    "--out": st.just("out"),
    "--file": ARGUMENTS,
    "--to": st.one_of(st.just(f"postgresql://u:{SECRET}@h"), ARGUMENTS),
    **dict.fromkeys(
        ("--trials", "--epochs", "--timeout", "--workers", "--seed", "--train-examples", "--port"), NUMBERS
    ),
}
SWITCHES = (
    "--json",
    "--help",
    "-h",
    "--catalogue",
    "--measure",
    "--debug",
    "--nonsense",
    "--",
    "-x",
    "--writable",
)


@st.composite
def command_lines(draw: st.DrawFn) -> list[str]:
    """Draw a command, perhaps one that does not exist, and flags, perhaps those of other commands."""
    line = [draw(st.one_of(st.sampled_from(COMMANDS), st.sampled_from(COMMANDS), ARGUMENTS))]
    for flag in draw(st.lists(st.sampled_from(sorted(VALUES)), max_size=4)):
        line += [flag, draw(VALUES[flag])]
    line += draw(st.lists(st.sampled_from(SWITCHES), max_size=1))
    return line + draw(st.lists(st.one_of(ARGUMENTS, st.sampled_from(("show", "stop", "copy"))), max_size=1))


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


def _run(line: list[str], folder: Path) -> Ended:
    """Run the command as `main` does, in this process, and undo what it changes in the process."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, _signals(), _stdout():
        patch.setattr(sys, "argv", ["search", *line])
        patch.setenv("SEARCH_STORAGE", NOWHERE)
        patch.setenv("SEARCH_DEBUG", "")
        patch.chdir(folder)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main()
    return Ended(code, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    numbers = (*ENDING, signal.SIGALRM)
    before, hook = [signal.getsignal(number) for number in numbers], sys.unraisablehook
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
        sys.unraisablehook = hook


@contextlib.contextmanager
def _stdout() -> Iterator[None]:
    """Give back what `--json` reserves for the document."""
    before = os.dup(1)
    try:
        yield
    finally:
        os.dup2(before, 1)
        for descriptor in (before, *documents._reserved):
            os.close(descriptor)
        documents._reserved.clear()


def _wants_download(line: list[str]) -> bool:
    return line[0] == "data" and bool(DATASETS.keys() & set(line))


def test_any_command_line_ends_with_a_code_and_one_line(tmp_path: Path) -> None:
    _run(
        ["space", "--objective", "digits-depth"], tmp_path
    )  # imports happen once, and do not count in the time of a line
    _run(["run", "--study", "digits-depth"], tmp_path)
    codes: set[int] = set()

    @settings(FUZZ, max_examples=80)
    @given(line=command_lines())
    @example(line=["run", "\u2028"])
    @example(line=["data", ""])
    @example(line=["space", "--objective", "x" * 300 + ".py"])
    @example(line=["space", "--objective", "a\nb.py"])
    @example(line=["data", "digits", "--data", "x" * 5000])
    @example(line=["space", "--objective", "digits-depth"])
    @example(line=["list"])
    def run(line: list[str]) -> None:
        if _wants_download(line):
            return
        ended = _run(line, tmp_path)
        codes.add(ended.code)
        assert ended.code in (0, 1, 2, 3), ended
        said = ended.out + ended.err
        assert "Traceback" not in ended.err or "--debug" in line
        assert "looks like a bug" not in said, said
        assert SECRET not in said
        if ended.code:
            lines = [text for text in ended.err.splitlines() if not text.startswith(("WARNING", "warning", "note"))]
            assert "--debug" in line or len(lines) == 1, ended.err
        assert os.environ.get("SEARCH_DEBUG", "") == ""

    run()
    assert codes >= {0, 1, 2}
