"""Reading and writing Markdown, as far as the documentation and its tests need it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.S | re.M)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+?) *$", re.M)
_CODE = re.compile(r"`([^`\n]+)`")


def find_fences(text: str, language: str) -> list[str]:
    """Return the contents of the fenced blocks of a language."""
    return [content for kind, content in _FENCE.findall(text) if kind == language]


def find_links(text: str) -> list[str]:
    """Return the targets of all links and pictures outside of code."""
    prose = _CODE.sub("", _FENCE.sub("", text))
    return _LINK.findall(prose)


def find_code(text: str) -> list[str]:
    """Return the inline code."""
    return _CODE.findall(_FENCE.sub("", text))


def list_anchors(path: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page, each of which must be there once."""
    names = [_anchor(heading) for heading in _HEADING.findall(_FENCE.sub("", path.read_text()))]
    assert len(names) == len(set(names)), f"{path} has a heading twice"
    return set(names)


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-")


def split_commands(shell: str) -> Iterator[list[str]]:
    """Yield the words of every command of a shell fence, comments left out."""
    for line in shell.replace("\\\n", " ").splitlines():
        words: list[str] = []
        for word in [*shlex.split(line, comments=True), "&&"]:
            if word not in ("&&", "||", "|", ";"):
                words.append(word)
            elif words:
                yield words
                words = []


def format_table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table."""
    titles = list(headings)
    return "\n".join([_row(titles), _row("---" for _ in titles), *map(_row, rows)])


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(map(_cell, cells)) + " |"


def _cell(text: str) -> str:
    """Return text as it stands in a table: no bar ends its cell, and outside of code nothing is taken for a tag."""
    parts = text.replace("|", "\\|").split("`")
    return "`".join(part.replace("<", "&lt;") if number % 2 == 0 else part for number, part in enumerate(parts))
