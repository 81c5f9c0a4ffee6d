"""Long lines on a terminal."""

from __future__ import annotations

import io
import os
import pty
import termios

import pytest

from search.display.wrapping import fit_to, wrap


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one two three four", ["one two three", "four"]),
        ("  a  is aligned, and long", ["  a  is", "  aligned, and", "  long"]),
        ("antidisestablishmentarianism is long", ["antidisestablishmentarianism", "is long"]),
        ("run it: search final --study a-name", ["run it:", "search final --study a-name"]),
        ("run `search final --study a-name`, then", ["run", "`search final --study a-name`,", "then"]),
        ("数数数数数 数数数", ["数数数数数", "数数数"]),
        ("", [""]),
    ],
)
def test_a_line_breaks_between_words_and_never_in_a_command(text: str, lines: list[str]) -> None:
    assert wrap(text, 14) == lines


def test_only_a_terminal_breaks_lines() -> None:
    text = "word " * 10 + "end"
    assert fit_to(io.StringIO(), text) == text
    ours, its = pty.openpty()
    with open(ours, "rb", buffering=0), open(its, "w") as terminal:
        termios.tcsetwinsize(terminal.fileno(), (24, 20))
        assert max(map(len, fit_to(terminal, text).split("\n"))) <= 20
        termios.tcsetwinsize(terminal.fileno(), (0, 0))
        assert fit_to(terminal, text) == text
    with open(os.devnull, "w") as closed:
        pass
    with pytest.raises(ValueError, match="closed"):
        closed.isatty()
    assert fit_to(closed, text) == text
