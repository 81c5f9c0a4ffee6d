"""Lines for people, broken between words where a terminal would break them within one."""

from __future__ import annotations

import os
import re
from typing import TextIO

# What stands between backticks, and a command from its name on, is copied: a line break in it would do harm.
_WORD = re.compile(r"\s*(?:`[^`]*`\S*|search [a-z-]+ -.*|\S+)")


def fit_to(stream: TextIO, text: str) -> str:
    """Return a line as a stream shows it best: a terminal in lines that fit it, anything else as it is."""
    try:
        columns = os.get_terminal_size(stream.fileno()).columns if stream.isatty() else 0
    except (OSError, ValueError):  # no descriptor, or a closed one
        columns = 0
    return "\n".join(wrap(text, columns)) if 0 < columns < len(text) else text


def wrap(text: str, columns: int) -> list[str]:
    """Return a line as lines of at most `columns` columns, as far as its words allow, all indented like the first."""
    from rich.cells import cell_len  # not where every line is short

    indent = text[: len(text) - len(text.lstrip())]
    lines: list[str] = []
    for word in _WORD.findall(text):
        if lines and cell_len(lines[-1] + word) <= columns:
            lines[-1] += word
        else:
            lines.append(word if not lines else indent + word.lstrip())
    return lines or [text]
