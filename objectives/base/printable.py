"""Text from elsewhere, such as a storage or a file that others may write, shown as text and nothing else."""

from __future__ import annotations

import html
import re

# Letters to Unicode, but blank on a screen.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
# What begins a construct in the middle of a line; an underscore within a word begins none.
_MARKDOWN = re.compile(r"[\\`*\[\]|~!#]|(?<!\w)_|_(?!\w)|(?<=[A-Za-z]):(?=//)|(?<=www)\.|@")


def escape_controls(text: str) -> str:
    """Return one line without terminal escapes, other control characters, bidi marks and characters of no width.

    Each is replaced by its Python escape, such as `\\x1b`.
    """
    if text.isprintable() and not _BLANK.intersection(text):
        return text
    return "".join(char if char.isprintable() and char not in _BLANK else _escape(char) for char in text)


def escape_markdown(text: str) -> str:
    """Return text for a heading, sentence or table of a Markdown document, in which nothing is Markdown or HTML."""
    return _MARKDOWN.sub(r"\\\g<0>", html.escape(escape_controls(text), quote=False))


def format_code(text: str) -> str:
    """Return text as a code span of a Markdown document; as plain text if it would end the span or a table's cell."""
    text = escape_controls(text)
    return escape_markdown(text) if not text.strip() or set(text) & set("`|") else f"`{text}`"


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode()
