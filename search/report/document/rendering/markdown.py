"""A document as Markdown: texts and tables, without plots."""

from __future__ import annotations

import re

from objectives.base.printable import escape_controls, escape_markdown
from search.report.document.wording.blocks import Alert, Block, Cards, Code, Document, Plot, Section, Table, Text

MARK = "<!-- depthsearch report -->"


def render_markdown(document: Document) -> str:
    """Return the document; whatever it quotes stays text."""
    parts = [MARK, f"# {escape_markdown(document.title)}", escape_markdown(document.summary)]
    for section in document.sections:
        parts += _render_section(section)
    return "\n\n".join(parts) + "\n"


def _render_section(section: Section) -> list[str]:
    blocks = [text for block in section.blocks if (text := _render_block(block))]
    return [f"## {escape_markdown(section.title)}", *blocks] if blocks else []


def _render_block(block: Block) -> str:
    match block:
        case Text():
            return escape_markdown(block.text)
        case Alert():
            return f"> {escape_markdown(block.text)}"
        case Code():
            return _render_code(block)
        case Cards():
            lines = (f"- {card.label}: **{escape_markdown(card.value)}** {_add(card.note)}" for card in block.cards)
            return "\n".join(line.rstrip() for line in lines)
        case Table():
            return _render_table(block)
        case Plot():
            return ""


def _add(note: str) -> str:
    return f"({escape_markdown(note)})" if note else ""


def _render_code(block: Code) -> str:
    """Return a fenced block; the fence is longer than any run of backticks in it."""
    lines = [escape_controls(line) for line in block.lines]
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join((f"{fence}shell", *lines, fence))


def _render_table(table: Table) -> str:
    rows = [table.headings, ("---",) * len(table.headings), *table.rows]
    shown = [[cell if row is rows[1] else escape_markdown(cell) for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in shown)
